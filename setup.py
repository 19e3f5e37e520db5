"""What pyproject.toml cannot say: what a package holds beside the code."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

BROWSER_FILES = "registro/web/static/vendor/socket.io.min.js"
SAMPLE_LOG = "fixtures/desk.jsonl"


class BuildComplete(build_py):
    """Puts the sample log into the package, and refuses to build one without the browser's files;
    an editable install reads the log where it is, and may have those files later."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        if not Path(BROWSER_FILES).is_file():
            raise SystemExit(f"missing: {BROWSER_FILES}; scripts/browser-files brings it")
        target = Path(self.build_lib, "registro", SAMPLE_LOG)
        self.mkpath(str(target.parent))
        self.copy_file(SAMPLE_LOG, str(target))


setup(cmdclass={"build_py": BuildComplete})
