"""Which passwords are too easy to guess. Pure.

The list is made here: words and keyboard runs that people are known to choose, in Spanish and
English, and what they put around them (years, digits, an exclamation mark, `4` for `a`). That is
some 30,000 passwords of eight or more characters without a file of anybody else's. OWASP ASVS 5.0,
6.2.4 asks for at least 3,000.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Literal

MIN_PASSWORD = 8
MAX_PASSWORD = 1024
"""Characters. The upper limit keeps a request from buying unbounded hashing."""

Weakness = Literal["short", "long", "common", "name"]

_WORDS = """
abcd abcdef abcdefg abcdefgh abecedario abrete abuela abuelo acceso access admin administrador
administrator alegria alejandro alemania alexander alexandra algodon alguien alicia amanda
amanecer america amigos amistad amorcito amorcitos amormio amsterdam andrea andres angel angela
angeles angelica angelito anthony antonio arcoiris argentina armando arturo asdf asdfgh asdfghjk
asdfghjkl ashley atletico austin azerty azul bailando banana bandera baracoa barbie barcelona
barney baseball basketball batman beatles beatriz beautiful benjamin betis bicicleta bienvenida
bienvenido blanca blink boca bogota bonita bonito brandon brasil buenosaires butterfly caballo
cachorro cacique california caliente calendario camila camilo campeon canada cangrejo caracas
caracol caramelo cariño carlitos carlos carmen carolina casa casablanca casita catalina cecilia
celeste chango charlie charlotte chelsea chester chicago chicken chile chivas chocolate christian
christopher claudia clave colombia computadora computer conejo conectar contraseña contrasena
contrasenia cookie corazon corona cowboys cristian cristina cristo cuenta daniel daniela danielito
database david default delfin demo diamante diamond diana diego dinero dolphin domingo dragon
eduardo elizabeth emanuel empresa enamorada enamorado enrique enter entrar eric escorpion escuela
españa espana esperanza esteban estrella estrellita estudiante eugenia facebook familia federico
felicidad felipe fernanda fernando ferrari flores florencia florida football francia francisco
freedom friends futbol gabriel gabriela galicia garcia gatito gerardo gladiador gonzalez google
gracias grupo guadalupe guest guillermo guitarra hannah harley hello hermosa hermosos hermoso hola
holahola holamundo honduras hunter iglesia iloveyou inicio inter internet invitado isabel isabela
jasmine javier jazmin jennifer jessica jesucristo jesus jimenez joaquin jonathan jordan jorge
joseluis joshua juanjose juancarlos juanita juventud karina killer kimberly laptop laura leonardo
leonel letmein liberty libertad lopez loquita lorena lorenzo lourdes lovely luciana lucky madre
madrid madridista maestro mamita manchester manolo manuel manzana margarita maria mariajose
mariana mariano maribel marina mariposa marisol marlboro marta martin martina martinez master
matrix mauricio maverick maxwell melissa mercedes merlin mexico michael michelle miguel
miguelangel miamor mimamama mipassword mitesoro monica monkey montaña morena mustang mundial music
musica nacional naranja natalia naruto navidad nicolas nicole ninguna ninja nirvana nopassword
noviembre nuevo octubre orange orlando padre palabra pamela panda pandora paola papito paradise
paraguay parque pass passw0rd password passwort patata patito patricia patrick paulina peluche
pelusa perro perrito peru phoenix piloto pirata playa pokemon policia pollito porfavor portugal
potato precioso primavera princesa princess principe privado prueba puebla puerto purple qazwsx
qazwsxedc querida queridas qwaszx qwert qwerty qwertyui qwertyuiop qwertz racing ramirez ramones
ranger raquel realmadrid rebeca rebelde recuerdo registro rey ricardo roberto robert rock rodolfo
rodrigo rodriguez rosita sabrina salchicha salvador samantha samsung samuel sanchez sandra
santiago santiaguito sebastian secret secreto security seguridad seguro sensei septiembre server
service servidor sevilla shadow sharon silvia siempre sistema skywalker slipknot snoopy soccer
sofia sol soledad soleado soporte spain spider spiderman starwars stephanie sterling summer
sunshine superman support susana system teamo tequiero teadoro temporal teresa test testing thomas
thunder tiburon tigger tigre tijuana tinkerbell toor trabajo travieso trustno trustnoone turtle
ultimo universidad uruguay user usuario valencia valentina valeria vanessa vegeta venezuela verano
veronica victor victoria vida vikings violeta virginia viviana welcome whatever william windows
winter wizard wolverine xavier yamaha yankees yolanda zapato zaragoza zaq zxcv zxcvb zxcvbn
zxcvbnm
"""

_WHOLE = """
1q2w3e4r 1q2w3e4r5t 1q2w3e4r5t6y 1qaz2wsx 1qaz2wsx3edc 1qazxsw2 zaq12wsx zaq1zaq1 q1w2e3r4
q1w2e3r4t5 a1b2c3d4 a1s2d3f4 abc12345 abcd1234 abcde123 abc123abc 123abc123 123qweasd 123qwe123
123qweasdzxc qwe12345 qweasdzxc qweasd123 qwer1234 qwerty12 asdf1234 asdfasdf asdf;lkj zxcv1234
zxcvzxcv trustno1 iloveyou1 letmein1 passw0rd p4ssw0rd p@ssw0rd p@ssword pa55word pa55w0rd
passpass password password! changeme changeit cambiame cambiala cambiarme micontraseña
micontrasena nolose nosenose nomeacuerdo notelodigo nolodigo nopuedo sinclave lamisma
lamismadesiempre correcthorsebatterystaple ihatepasswords 0987654321 9876543210 98765432 87654321
987654321 11223344 1122334455 112233445566 12341234 123123123 12312312 123321123 123454321
1234554321 123456781 123456789a a12345678 a123456789 12345678a 1234567890 12345678910 0123456789
147258369 159357456 159753456 159753159 147852369 789456123 741852963 963852741 102030405060
10203040 20202020 19191919 13131313 12121212 10101010 21212121 69696969 55555555 66666666 77777777
88888888
"""

_ENDS = """
! !! . * a @ _ 0 1 2 3 4 5 6 7 8 9 00 01 007 10 11 12 13 20 21 22 69 77 88 99 1! 111 123 123! 321
321! 666 777 abc 1234 12345 123456 1234567 12345678 123456789 1980 1990 2000 2001 2010
"""

_BEFORE = ("1", "123", "mi", "my", "el", "la", "super")

_LEET = str.maketrans({"4": "a", "@": "a", "3": "e", "1": "i", "!": "i", "0": "o", "5": "s",
                       "$": "s", "7": "t"})  # fmt: skip


@cache
def common() -> frozenset[str]:
    """The list, in the form of `_plain`."""
    words = {_plain(word) for word in _WORDS.split()}
    made = {word + after for word in words for after in _ends()}
    made |= {before + word for word in words for before in _BEFORE}
    made |= {word + word for word in words} | {word[::-1] for word in words}
    made |= {_plain(word) for word in _WHOLE.split()} | set(_digit_runs())
    return frozenset(one for one in made if len(one) >= MIN_PASSWORD)


def weakness(password: str, *names: str) -> Weakness | None:
    """Why a password is not good enough, or None. `names` are those of its owner."""
    if len(password) < MIN_PASSWORD:
        return "short"
    if len(password) > MAX_PASSWORD:
        return "long"
    plain = _plain(password)
    if any(plain in _forms_of(name) for name in names if name):
        return "name"
    if len(set(plain)) <= 2 or plain in common() or _unleeted(plain) in common():
        return "common"
    return None


def _forms_of(name: str) -> set[str]:
    """A name, doubled, backwards, without its blanks, and with what people put after it."""
    plain = _plain(name)
    short = "".join(character for character in plain if character.isalnum())
    bases = {plain, short}
    return bases | {
        form
        for base in bases
        for form in (base + base, base[::-1], *(base + end for end in _ends()))
    }


def _ends() -> list[str]:
    return ["", *_ENDS.split(), *map(str, range(2015, 2031))]


def _plain(text: str) -> str:
    """In lower case, without accents (ñ becomes n), without blanks around."""
    decomposed = unicodedata.normalize("NFKD", text.strip().casefold())
    return "".join(character for character in decomposed if not unicodedata.combining(character))


def _unleeted(plain: str) -> str:
    """`p4ssw0rd!` as `password!`; what stands at the end stays as it is."""
    end = len(plain.rstrip("0123456789!.*@_"))
    return plain[:end].translate(_LEET) + plain[end:]


def _digit_runs() -> list[str]:
    """Runs up and down, and numbers of one group repeated: 12345678, 87654321, 12121212."""
    up = "01234567890123456789"
    runs = [line[at : at + size] for line in (up, up[::-1]) for size in range(8, 13)
            for at in range(len(up) - size + 1)]  # fmt: skip
    groups = [f"{number:0{size}d}" for size in (2, 3, 4) for number in range(10 ** min(size, 3))]
    runs += [(group * 8)[: max(8, 2 * len(group))] for group in groups]
    days = [f"{day:02}{month:02}" for day in range(1, 32) for month in range(1, 13)]
    return runs + [day + str(year) for day in days for year in (2000, 2020)]
