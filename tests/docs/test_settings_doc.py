"""docs/settings.md says what registro/config/ does."""

import re
import subprocess
from pathlib import Path

import pytest

from registro import config

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


def sections() -> dict[str, str]:
    _, *parts = re.split(r"^### (.+)\n", PAGE.read_text("utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def example(section: str) -> tuple[str, str]:
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", section, flags=re.MULTILINE | re.DOTALL)
    assert len(blocks) == 1
    return blocks[0]


def test_every_setting_has_its_heading_in_the_order_of_the_code():
    assert list(sections()) == [setting.name for setting in config.SETTINGS]


@pytest.mark.parametrize("setting", config.SETTINGS, ids=lambda setting: setting.name)
def test_a_section_opens_with_the_meaning_and_the_default(setting):
    default = f"`{setting.default}`" if setting.default else "none"
    assert sections()[setting.name].startswith(f"\n{setting.meaning}\n\nDefault: {default}\n")


@pytest.mark.parametrize("setting", config.SETTINGS, ids=lambda setting: setting.name)
def test_an_example_sets_the_setting_and_is_accepted(setting, tmp_path, monkeypatch):
    language, text = example(sections()[setting.name])
    env_file = tmp_path / ".env"
    if language == "sh":
        subprocess.run(["bash", "-euc", text], cwd=tmp_path, check=True)
    else:
        env_file.write_text(text, "utf-8")
    assert re.search(f"^{setting.name}=.", env_file.read_text("utf-8"), re.MULTILINE)

    monkeypatch.chdir(tmp_path)
    config.load({"JWT_SECRET": "a secret of more than thirty-two bytes"}, env_file)
