"""Settings: what is read, what is refused and how, and what never shows."""

import json
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from registro import config
from registro.errors import SettingsError

SECRET = "correct horse battery staple, twice"  # 35 bytes
MYSQL = {"DB_USER": "registro", "DB_NAME": "chat"}


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def load(env_file=None, **environ):
    return config.load({"JWT_SECRET": SECRET} | environ, env_file)


def problems(env_file=None, **environ):
    with pytest.raises(SettingsError) as caught:
        load(env_file, **environ)
    return caught.value.problems


def test_without_settings_the_defaults_hold():
    settings = load()
    assert (settings.env, settings.production) == ("development", False)
    assert (settings.host, settings.port) == ("127.0.0.1", 3000)
    assert settings.database_url == "sqlite:///registro.db"
    assert settings.redis_url is None
    assert settings.registration is True
    assert settings.allowed_origins == ()
    assert settings.message_rate == 50
    assert settings.notices == ()


def test_every_default_is_accepted_when_it_is_set_by_hand():
    defaults = {s.name: s.default for s in config.SETTINGS if s.default and s.name[:3] != "DB_"}
    assert load(**defaults) == load()


def test_the_environment_wins_over_the_file(tmp_path):
    env_file = tmp_path / ".env"
    env_file.write_text("PORT=1\nHOST='0.0.0.0'  # all\n")
    settings = load(env_file, PORT="2")
    assert (settings.host, settings.port) == ("0.0.0.0", 2)


def test_a_missing_file_and_a_folder_in_its_place_are_fine(tmp_path):
    assert load(tmp_path / ".env") == load(tmp_path) == load()


def test_an_empty_value_counts_as_not_set():
    assert load(PORT="", REDIS_URL=" ", REGISTRO_NONE="") == load()


def test_a_dollar_in_the_file_stands_for_itself(tmp_path):
    env_file = tmp_path / ".env"
    env_file.write_text("DB_PASS=a${HOME}\nDB_USER=u\nDB_NAME=n\n")
    assert load(env_file).database_url == "mysql://u:a%24%7BHOME%7D@localhost:3306/n"


def test_lines_of_the_file_that_say_nothing_are_told(tmp_path):
    env_file = tmp_path / ".env"
    env_file.write_text("PORT=1\nREGISTRO_ENV\n'HOST=x\n")
    assert problems(env_file) == (
        f"{env_file}, line 2: expected NAME=value",
        f"{env_file}, line 3: expected NAME=value",
    )


def test_all_problems_are_told_at_once():
    found = problems(PORT="x", HOST="a b", REGISTRO_QUEUE_LIMIT="0", REGISTRO_REGISTRATION="yes")
    assert found == (
        "HOST='a b': expected a host name or an IP address, without a port",
        "PORT='x': expected a whole number from 0 to 65535",
        "REGISTRO_REGISTRATION='yes': expected on or off",
        "REGISTRO_QUEUE_LIMIT='0': expected a whole number from 1 to 10000000",
    )


@pytest.mark.parametrize("value", ["65536", "-1", "3000.0", "٣", "1_0", "0x10", "9" * 5000])
def test_a_port_is_a_whole_number_up_to_65535(value):
    [problem] = problems(PORT=value)
    assert problem.startswith("PORT='")
    assert len(problem) < 200


@pytest.mark.parametrize("value", ["nan", "inf", "-1", "1e9", "fast"])
def test_a_rate_is_a_plain_number(value):
    assert problems(REGISTRO_MESSAGE_RATE=value) == (
        f"REGISTRO_MESSAGE_RATE={value!r}: expected a number, 0 or more",
    )


def test_a_rate_of_zero_and_port_zero_are_allowed():
    settings = load(REGISTRO_MESSAGE_RATE="0", PORT="0")
    assert (settings.message_rate, settings.port) == (0, 0)


@pytest.mark.parametrize("value", ["::1", "0.0.0.0", "localhost", "chat.example.org"])
def test_a_host_is_a_name_or_an_address(value):
    assert load(HOST=value).host == value


@pytest.mark.parametrize("value", ["localhost:3000", "http://localhost", "[::1]", "a/b"])
def test_a_host_has_no_port_and_no_scheme(value):
    assert problems(HOST=value) == (
        f"HOST={value!r}: expected a host name or an IP address, without a port",
    )


def test_an_unknown_name_of_ours_is_a_problem_with_a_suggestion():
    assert problems(REGISTRO_MESAGE_RATE="5") == (
        "REGISTRO_MESAGE_RATE: there is no such setting; did you mean REGISTRO_MESSAGE_RATE?",
    )
    assert problems(REGISTRO_PORT="5") == (
        "REGISTRO_PORT: there is no such setting; did you mean PORT?",
    )
    assert problems(REGISTRO_X="5") == ("REGISTRO_X: there is no such setting",)


def test_bytes_that_are_no_utf8_are_a_problem():
    assert problems(JWT_SECRET=SECRET + "\udcff", **MYSQL, DB_PASS="\udcff") == (
        "JWT_SECRET=***: expected UTF-8 text",
        "DB_PASS=***: expected UTF-8 text",
    )


# Secrets


@pytest.mark.parametrize("secret", ["", "x" * 31])
def test_production_refuses_a_missing_or_short_secret(secret):
    [problem] = problems(REGISTRO_ENV="production", JWT_SECRET=secret)
    shown = "=***" if secret else " is not set"
    assert problem == f"JWT_SECRET{shown}: expected at least 32 bytes in production"


def test_production_counts_bytes():
    settings = load(REGISTRO_ENV="production", JWT_SECRET="ñandúesö" * 3)
    assert settings.production
    assert settings.notices == ()


def test_production_tells_everything_that_is_unsafe_at_once():
    found = problems(
        REGISTRO_ENV="production",
        JWT_SECRET="short",
        REGISTRO_JWT_SECRETS_PREVIOUS='["short, too"]',
        REGISTRO_FIXTURES="on",
        REGISTRO_ALLOWED_ORIGINS="https://a.example, http://b.example",
    )
    assert [one.partition("=")[0] for one in found] == [
        "JWT_SECRET",
        "REGISTRO_JWT_SECRETS_PREVIOUS",
        "REGISTRO_FIXTURES",
        "REGISTRO_ALLOWED_ORIGINS",
    ]
    assert "short" not in "".join(found)


def test_production_notices_what_is_wrong_more_often_than_right():
    settings = load(
        REGISTRO_ENV="production",
        JWT_SECRET="ab" * 20,
        REGISTRO_MESSAGE_RATE="0",
        REGISTRO_CONNECTION_RATE="0.0",
        HOST="0.0.0.0",
    )
    assert [notice.partition(" ")[0] for notice in settings.notices] == [
        "JWT_SECRET",
        "REGISTRO_MESSAGE_RATE=0:",
        "REGISTRO_CONNECTION_RATE=0:",
        "HOST=0.0.0.0",
    ]


def test_a_secret_is_taken_as_it_stands():
    assert load(JWT_SECRET=" spaces count ").jwt_secret == " spaces count "


def test_development_takes_a_short_secret_and_says_so():
    [notice] = load(JWT_SECRET="short").notices
    assert notice == "JWT_SECRET has fewer than 32 bytes and may be guessed. Production refuses it."


def test_development_without_a_secret_makes_one_and_keeps_it(tmp_path):
    first = load(JWT_SECRET="")
    kept = tmp_path / "registro.db.secret"
    assert first.jwt_secret == kept.read_text().strip()
    assert len(first.jwt_secret) >= 43
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert load(JWT_SECRET="") == first
    assert first.notices == (
        "JWT_SECRET is not set: development uses the one kept in registro.db.secret.",
    )


def test_on_mysql_the_secret_is_kept_in_the_current_folder(tmp_path):
    settings = load(JWT_SECRET="", DATABASE_URL="mysql://u@h/n")
    assert settings.jwt_secret == (tmp_path / ".registro-secret").read_text().strip()


def test_many_starts_at_once_agree_on_the_secret(tmp_path):
    with ThreadPoolExecutor(16) as pool:
        made = list(pool.map(lambda _: load(JWT_SECRET="").jwt_secret, range(64)))
    assert len(set(made)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["registro.db.secret"]


def test_no_secret_is_made_when_something_else_is_wrong(tmp_path):
    problems(JWT_SECRET="", PORT="x")
    assert list(tmp_path.iterdir()) == []


def test_a_kept_secret_that_is_too_short_is_refused(tmp_path):
    (tmp_path / "registro.db.secret").write_text("cut off")
    [problem] = problems(JWT_SECRET="")
    assert problem == (
        "JWT_SECRET is not set and registro.db.secret holds too little: "
        "expected at least 32 bytes in it; delete it for a new secret"
    )


def test_a_secret_that_cannot_be_kept_is_a_problem(tmp_path):
    (tmp_path / "registro.db.secret").mkdir()
    [problem] = problems(JWT_SECRET="")
    assert problem.startswith("JWT_SECRET is not set: expected it, or a secret in registro.db.secr")


# Secrets in files


def test_a_secret_may_stand_in_a_file_of_its_own(tmp_path):
    (tmp_path / "jwt").write_text(f" {SECRET} \n")
    (tmp_path / "password").write_text("hunter/2\r\n")
    env_file = tmp_path / ".env"
    env_file.write_text("DB_PASS_FILE=password\n")
    environ = {"JWT_SECRET_FILE": f"{tmp_path}/jwt", "DB_PASS_FILE": ""} | MYSQL
    settings = config.load(environ, env_file)
    assert settings.jwt_secret == f" {SECRET} "
    assert settings.database_url == "mysql://registro:hunter%2F2@localhost:3306/chat"


def test_a_file_is_for_secrets_alone():
    assert problems(REGISTRO_MESSAGE_RATE_FILE="rate")[0].startswith(
        "REGISTRO_MESSAGE_RATE_FILE: there is no such setting"
    )


def test_a_secret_that_cannot_be_read_from_its_file_is_a_problem(tmp_path):
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"hunter2\xff")
    files = {"REDIS_URL_FILE": ".", "DB_PASS_FILE": "binary", "DATABASE_URL_FILE": "empty"}
    assert problems(**files, JWT_SECRET_FILE="both") == (
        "JWT_SECRET and JWT_SECRET_FILE: expected one of them",
        "DATABASE_URL_FILE='empty': the file is empty",
        "DB_PASS_FILE='binary': expected a text file that can be read: it is no UTF-8",
        "REDIS_URL_FILE='.': expected a text file that can be read: Is a directory",
    )


# Previous secrets


def test_previous_secrets_are_a_json_list():
    older = [SECRET, "ñ" * 16]
    settings = load(REGISTRO_JWT_SECRETS_PREVIOUS=json.dumps(older))
    assert settings.jwt_secrets_previous == tuple(older)
    assert settings.notices == ()


@pytest.mark.parametrize("value", ["older", '"older"', "[1]", '[""]', "{}", "[[", r'["\ud800"]'])
def test_other_previous_secrets_are_refused_and_not_shown(value):
    [problem] = problems(REGISTRO_JWT_SECRETS_PREVIOUS=value)
    assert problem == (
        "REGISTRO_JWT_SECRETS_PREVIOUS=***: expected a JSON list of strings that are not empty, "
        'like ["older", "oldest"]'
    )


def test_a_short_previous_secret_is_noticed():
    [notice] = load(REGISTRO_JWT_SECRETS_PREVIOUS='["short"]').notices
    assert notice.startswith("One of REGISTRO_JWT_SECRETS_PREVIOUS has fewer than 32 bytes")


# The database


def test_the_sqlite_file_is_told(tmp_path):
    assert str(load().sqlite_path) == "registro.db"
    assert load(DATABASE_URL=f"sqlite:///{tmp_path}/a%20b.db").sqlite_path == tmp_path / "a b.db"
    assert load(DATABASE_URL="mysql://u@h/n").sqlite_path is None


@pytest.mark.parametrize(
    "value",
    [
        "sqlite://registro.db",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:///a.db?mode=ro",
        "sqlite:///missing/a.db",
        "sqlite:///.",
    ],
)
def test_an_sqlite_url_names_a_file_in_a_folder_that_exists(value):
    [problem] = problems(DATABASE_URL=value)
    assert problem == (
        f"DATABASE_URL='{value}': "
        "expected sqlite:///FILE (sqlite:////FILE from the root) in a folder that exists"
    )


@pytest.mark.parametrize(
    "value",
    ["mysql://u:p@h:3306/n", "mysql://u@h/n", "mysql://h/n?ssl=true", "mysql://u:p@[::1]/n"],
)
def test_a_mysql_url_is_taken_as_it_is(value):
    assert load(DATABASE_URL=value).database_url == value


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("postgres://u:hunter2@h/n", "postgres://***"),
        ("mysql://u:hunter2@h", "mysql://***"),
        ("mysql://u:hunter2@h:0/n", "mysql://***"),
        ("mysql://u:12/hunter2@h/n", "mysql://***"),
        ("mysql://u:hunter2#x@h/n", "mysql://***"),
        ("u:hunter2@tcp(h)/n", "***"),
    ],
)
def test_other_database_urls_are_refused_without_showing_the_password(value, shown):
    [problem] = problems(DATABASE_URL=value)
    assert problem == (
        f"DATABASE_URL={shown}: expected sqlite:///FILE or mysql://USER:PASSWORD@HOST:PORT/NAME, "
        "with percent-encoding in user and password (/ is %2F, @ is %40)"
    )


def test_the_original_names_build_the_mysql_url():
    settings = load(**MYSQL, DB_HOST="db", DB_PORT="3307", DB_PASS="p@/s %#")
    assert settings.database_url == "mysql://registro:p%40%2Fs%20%25%23@db:3307/chat"


def test_the_original_names_have_mysqls_defaults():
    assert load(**MYSQL).database_url == "mysql://registro@localhost:3306/chat"
    assert load(**MYSQL, DB_HOST="::1").database_url == "mysql://registro@[::1]:3306/chat"


def test_database_url_wins_over_the_original_names():
    assert load(**MYSQL, DATABASE_URL="sqlite:///a.db").database_url == "sqlite:///a.db"


def test_the_original_names_are_needed_together():
    assert problems(DB_PASS="hunter2", DB_PORT="0") == (
        "DB_USER is not set: expected a name, since other DB_… settings are there",
        "DB_NAME is not set: expected a name, since other DB_… settings are there",
        "DB_PORT='0': expected a whole number from 1 to 65535",
    )


def test_the_label_of_a_database_has_no_password():
    assert load().database_label == "sqlite:///registro.db"
    label = load(DATABASE_URL="mysql://u:hun@ter2@h/n").database_label
    assert label == "mysql://u:***@h/n"


# Redis and origins


@pytest.mark.parametrize("value", ["redis://h", "rediss://:p@h:1/0", "unix:///run/redis.sock"])
def test_a_redis_url_is_taken_as_it_is(value):
    assert load(REDIS_URL=value).redis_url == value


@pytest.mark.parametrize("value", ["http://:hunter2@h", "redis://", "redis://:hunter2@h/x"])
def test_other_redis_urls_are_refused_without_showing_the_password(value):
    [problem] = problems(REDIS_URL=value)
    scheme = value.partition("://")[0]
    assert problem.startswith(f"REDIS_URL={scheme}://***: expected redis://HOST:PORT/NUMBER")


def test_origins_are_written_as_browsers_write_them():
    settings = load(REGISTRO_ALLOWED_ORIGINS="HTTPS://A.example:443, http://b:8080,http://[::1]:80")
    assert settings.allowed_origins == ("https://a.example", "http://b:8080", "http://[::1]")


@pytest.mark.parametrize("value", ["*", "null", "a.example", "https://a/", "https://u@a", "ws://a"])
def test_other_origins_are_refused(value):
    [problem] = problems(REGISTRO_ALLOWED_ORIGINS=f"https://good,{value}")
    assert problem == (
        f"REGISTRO_ALLOWED_ORIGINS='https://good,{value}': "
        "expected origins like https://www.example.org, separated by commas"
    )


def test_no_secret_shows_in_the_repr_or_the_notices():
    settings = load(
        JWT_SECRET="hunter2",
        REGISTRO_JWT_SECRETS_PREVIOUS='["hunter2"]',
        DATABASE_URL="mysql://u:hunter2@h/n",
        REDIS_URL="redis://:hunter2@h",
    )
    assert "hunter2" not in repr(settings) + str(settings) + "".join(settings.notices)
    assert "port=3000" in repr(settings)


MAIL = {
    "REGISTRO_MAIL_FROM": "Support <desk@example.org>",
    "REGISTRO_PUBLIC_URL": "https://desk.example/",
}


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://mail.example", ("mail.example", 587, "starttls", "", "")),
        ("smtps://a%40b:c%2Fd@mail.example", ("mail.example", 465, "tls", "a@b", "c/d")),
        ("smtp://127.0.0.1:2525?tls=no", ("127.0.0.1", 2525, "none", "", "")),
    ],
)
def test_a_mail_server_is_read_from_its_url(url, expected):
    settings = load(**MAIL, REGISTRO_SMTP_URL=url)
    assert tuple(settings.smtp) == expected
    assert "c/d" not in repr(settings)
    assert settings.public_url == "https://desk.example"
    assert settings.mail_from.addr_spec == "desk@example.org"


@pytest.mark.parametrize(
    "url",
    ["mail.example", "http://mail.example", "smtp://", "smtp://h:99999", "smtp://h/path",
     "smtp://user:secreto@h?tls=no", "smtp://h?tls=perhaps"],
)  # fmt: skip
def test_what_is_no_mail_server_is_refused_and_not_shown(url):
    [problem] = problems(**MAIL, REGISTRO_SMTP_URL=url)
    assert problem.startswith("REGISTRO_SMTP_URL=")
    assert "secreto" not in problem


def test_a_mail_server_wants_a_sender_and_an_address_of_our_own():
    found = problems(REGISTRO_SMTP_URL="smtp://mail.example")
    assert [one.partition(" ")[0] for one in found] == ["REGISTRO_MAIL_FROM", "REGISTRO_PUBLIC_URL"]
    wrong = {"REGISTRO_MAIL_FROM": "desk", "REGISTRO_PUBLIC_URL": "desk.example"}
    assert len(problems(**wrong)) == 2
