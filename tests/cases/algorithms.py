"""ML-DSA-44 (FIPS 204; pure, empty context) beside Ed25519: an enrolment that the ledger refuses as `not-yet` (SPEC §5.5, §6).

Its seed is SHA-256("test seed ml-dsa-44"). Signing is randomised, so the signature is kept here: made once, and verified by
a library that the ledger does not use for it.
"""

from __future__ import annotations

import base64
from typing import NamedTuple

from tests.cases import logs
from tests.cases.logs import Script, public_key
from tests.cases.samples import Fields, keyset
from tests.reference import pack, pae


class Algorithm(NamedTuple):
    """A key of an algorithm, a payload, its PAE, the key's signature over that, and the entry that holds it."""

    name: str
    public_key: bytes
    payload: bytes
    pae: bytes
    signature: bytes
    entry: bytes


def statement(script: Script) -> Fields:
    """An enrolment by a keyset of both algorithms."""
    both = keyset(
        ("ed25519", public_key("two algorithms")), ("ml-dsa-44", PUBLIC_KEY), ed25519=1, ml_dsa_44=1
    )
    return script.enrolment("two algorithms", keyset=both)


def enrolment(script: Script) -> bytes:
    """The entry of that enrolment; both signatures hold."""
    fields = statement(script)
    return logs.joined(fields, [[0, 0, logs.signature("two algorithms", pack(fields))], [0, 1, SIGNATURE]])


def ml_dsa_44() -> Algorithm:
    """What another library verifies."""
    script = Script(fold=2)
    payload = pack(statement(script))
    return Algorithm("ml-dsa-44", PUBLIC_KEY, payload, pae(payload), SIGNATURE, enrolment(script))


PUBLIC_KEY = base64.b64decode(
    """
Y0lw41kKczNMm5hNCFsXRULm2Q/efADPqU/lEqa65An4bxRxbIMEUt+yeShNUylZtDoimyW0lAWw7pdqexZaB00g0HmLq7gAMTbCG8+g
2KGvoU7Gks4OEG7d2VJQIAmJu4hznXwYnj/G9oTCqu9cscymlEX1U7EVKMmeKGNPB0YQ48kHsYw4dkOLR6MWTBUOiPCHrMXajZeWwrKq
1cUqcGfEU97YjYVRKQdU3MWB4z4w1MpCjqtoOOCLOABFrtUGguoUWoE+f5DrMhmaH7qSqqNn6Stt4PpWNoD3/4V/atj9b3KYYqol5y+P
cZdpnzWl8G4G17yPumW5cs+zWb1P0H0ZTzJ2+tKyNqBhL29aboqVDa05QTS9FDjjWTLgLQc7F7uVu4YIjjPUkuDDnfnE77bQd63UHnBb
2PaWFLCL+SX9xbPij/80EsYuK1NeFJFEUErI7hlf+HYMib1QJXSZWsoGZwB8o2az8lg+DBzi6xidVmA56kwPlQAeHxrGSR45W381v8XN
Ha1yCFOrVf8dktwwWFG3FhLiTHLP3ccbuhdrxzOLB1Pk79Wsa2RsteHR1DpQGQZtkD2tGFxmW4PIeKDk4/RO5X3qYqc0lHAnhyQ6nljl
pL54U6A5EbTRsHFdyaMloWgz88HuAMTN+9EXItg/7U68lWYIBfAUdiDBT3rOwuylVlBcsUcxpX/P+zCjVB8+sqEfW+75hsS6KBWWjljX
T3TVS1QMtzGegt0bKSg2/XbLM23/rnH3HVLW0dL0Tf3Uoe39sKS2WJcWBaF3sWSJiM4JbYGYdZcIRbT+HBkrQZY3z3YckK8O9M9Vib3w
DAUGTcQQ+d6dYeKQNliHyowCJlQniUi6SX4UtmqfefXi9BxT0ZUqM0aZ62YcwV1nrAk2Bdgy7EZhcRiys3nyWJvb8yUoP9P0tIopOac6
WqUaGrUf/ROvma67RO1CnzeUU2/vuMPeB0Duw8TalJoW4r2BMitEmxD5YLvZVPOYe3NaV+v3rfAeFu4+qriiUgXIbGBHPIOippObOA4G
QBn1b2rjhJuBqPvUzT6SXdPw3g34OXH6UZGQY5kJwuT6F48UbMHq0+drWdfaKbs1PjDrheZqbybvra9iAPxeQQIuHmPEw3Fami7Vu7Oz
JepWDPzj36h5IoJdkSco56aLk5iBJCZHxlWPvesT20gFFXz3bOVJ+IhzbbPLLWV1nDi94xH1Xpsu7lNiGhf6R+aeEXlwOzjO3GgYSvCS
kWWrQLJl267gkWDnfP/r/ElFK3jdMJcKMUgdG9OP+ROEFNksXfCc9acuYBZOgmOTGHpB4BrWEAxdn+MdZj1svRoceuKoIl344Kv7gn1D
wtiPGXTVKmFRimAWFakqCbJKamJous11ash7r9rvtrieClx6sua3H1rHfjwOvwnwC+gYTG6liJCwbAL7e07mhCfxl9wFOMMG3oUOGdVJ
itVuS1V+GMiNWxou/MrKP5wHDIJUinkbzxnFRnIINmZcTHiISwMiYdKn6RrtX9y9TUX9S1hmAVpWzWUVuOunkRglJJxhFyr8LuJMHz+J
LNKDj8QfDnK+xiKxZNr+O3hNGQrixBTjoSgQSiRL5VQXnNK4/FdmCgSqT5QBlYc7fgQKYQ3wbAq5T9CVsshEBmQau8gL3M5zQ53iSRPH
W5fxWERLI5roAbtYyfD6ZX1uC6OZrDuOlPYEHi44IJPFtBJPxkbwXqDphQsbr+PulDg0gipY3layKnqBk2SWhw==
    """
)
SIGNATURE = base64.b64decode(
    """
TBdaUup+TRToVT6lc8t2W22+xARMk0Tmrx3KHF2TnMU7xEtcO4fUmd9bchcWPAHpkfhx5+4tkKf6+mdRzn7RXAqHG13F4tX0J5Qqv0XT
XUgcefNMxuYzFZhWDvaY8GQdOHIaeK6yunv3LoyBypCd1dRX9iv+swDINk3MrphDGxKcugutlY9mFMrT885AlCqDt+jyeATkrAsiRN3R
KHSWhgUqGBhpOJsfb+ds8Jr49H5OVQDBEi2wuZh2G+iUVqIp+vhMWRrZMsur5+h8ROArNHa2v2phba8+7TC6Aem5k50bGRnJQB+R2NHv
4Htcjsfi75LaFcajuDTuQV8aJSbmSAl37kPdZrPxZJSGmW5bQjHiK8lFcx1zrR4dw/xVbZdjeygX7Gjq8CnTS/QhPgwzzzUktHcUxWxg
Rv8vxyirYy5wFL7yC4a1CvV+Dc61rja6rZyoUfMm2eleekLnyAC1l6/tz4nLrSeWP3CJ0Ua6MZa5Klc+Eu+d9TSi2mGvfcI90urObcOm
DW2JfE4hi3ll6rFpTn1Z3x0RjmbWYTbqpaMfs7JhD+ZhF7l4O9t2ARB+hAwkpTGu+C5hA/6BxYsM8IBvcz6uY9uV6oPgQ8YFXZCSv+SI
COD9KfgYVC6bHaUS8+cDgL0+WcCgur4Y28hjYX+tr5XJURREeSE4qwflgYgtMHNG+Ng+xvabsva1/PSgxoEALGUPOEAWL/fLcfUwkSZu
fEDv5sK0xOXCv5UfEwY6vyPck4u+g6nc9OqqAVYL691LIbsdaLCyuzrcftLEYQdUMvrstk1xMNBMQ14Zl2VPQ5FmsK7a0xqCn+nGWU5I
Oq5XHfDNqHrzxsac99Arjt5ursH4V7KLzIu6tfftzWlPH6k0iSxxKncLy53+uO+KU5ZEssgAMD7J+t0Aa85H0N6qkTrA0pNWMo5wOlU2
nnSat5Ff+nzP9HwxEzcygG4frdXblVvT8iSlWqO0/vLfqnrzH8WTyWdj/qtEF2Njniqvt4JoUXwhCSEhclaBK75Pkyj6fwAGfrVJv45/
9ACrZ5yY4FDAGs74ChulKZRvg0efiGttA9CCuTczBJNrKp8mzHodb+8AmcRMl2+meyB+nLkMTF6/1fhOifNwZh/y8hnQVazZun8qsj5F
DP2n3mZJ01brzCBV6ZFEQfuzBt3WrqSc9bjLVfEk9VsLJn4A4Vf4G5btMlAChXfh0KYWS/xPM83UnfoYT1ACAD6FtEzCwbSGtWeu+z+W
HJDxP8biLC8vygjd68wF9qlzPD9xvxd1U4hJTG29MDZlEuNZiodwunJqmW+hBR2rLiRFaIEU+7cqbnwsMpjwSlrNkaOt9beTF1I2sjQj
trMQ2+/p95oazSetDnBSEUfFdTgAdU6AV8bOaLmcoPCS9seaUG1d+OfgQHmF9uOeop+vTLjvRbDu+3lHU7u2NQOdrgqBpd4ttYzuJAXM
cIWS3aMTR6y7mCS+sdVBoTqrIih1a5bkDLjmw5IsB0FdPf9Hzn+16aLuXwFzqdikWG45cVpb6epsGjnsCT2AftIlb7DWzO/Lel7qAfHn
SmdVMIQ/RcOzFzorEwzsgtOwDnLFCed1/DWs1F44etS3EctCUSM/SPEW7v6yRETajYiYK8fQwubiwDwFa2aeq0G/8m/wAE5Do7aiFXtv
VcIf9EmSp/8VmJh8UoxU7NY78tGWLahg+O4rTIS2u91lxlkTkD4OjVUrs2CDBCv4/evdy7j9IMAQn6QWk3BbEe1gEppKXN93t4QvthEo
xkLNjl9raytnAItCRw7U+/Ac4XYdJ/JZizGPhh0CK4TaLAgLaOyP/EgcuEU9Z+69HjRomxEkRqg89FzarVr1ZihN2jAt3mtMiv2u3iUl
MYcg5OAbJB07K2QwZhYQrnnDD0UloLjDCatHDJblEmS+W9HRUummnmRVCHxMAIadh+l5R1ezL2TBvj+yguevt5Ao86G61xGSB2BAzHR/
gp1lFwqvx5uwgNgMwOlaKJ8pHlgq/JGaVqcwndO/Zha7L+Pai94CwOOcZnxq5nXXn9DA2ML2IHYd7042ag27ijfIY17LdFinAcMkJ9/K
ABcRQ1Z1igm3OfVQBGJs4Q38EG7Qc3K7oInTlEYcOL+KLyxSNR1XDigV9JMyCJWlHz+srGnrGiWSPdslhVUuHcRcfAgZSI70/kkrDjCq
fObVpQIOr+IDO/bpLzJ/uQpZ4AiOkIlPPEAdG1b6qxHQA5i62j9oSZQohsSb8nNhhLpwISOxKet38VwXSYW2rHbzozIGUnEtaoP3U9gA
0/CjpTgMcp4fnbbanPRF74Kv5WYmhe8l4+LrFdGyBCcse8bKd5c+baoEGcHNv4FKb6Fuk7oBFJaAaUSzBHKkRYYJp/nT7Z/l+LZ9b/1Q
U28/Xa6WH9YTvV60yEYZ5p0AW+pa2t1gvcIqhZLQzpfdutCS3CA5vPDZBFezWqYhYbaHIcM+sybmnGuryH0szGSsrE46aogO0HtFCeax
zh6K3Y3c9TjAhIJOIbEjE9faztNEDxZeAvBKvQQinB76LSbSqx6TniATXqEWSKG7djwD2w6nEhIPaIbpDrB/8WbH7XUrpp7dSsEr0fBN
qpsc3nd0S88lgHW6+6CAInHhm2vLpq+vbCrZhUNTetYiViIZKUHv0BrZzSMfWcln531Hyh6fJ7UHKuYDbNx4x9DaAUuGxehow3QcHSDV
NLJnhlxtRwOdXJX+dGZGLgshLrP8efxqoYiaDFHREKjZAIlX6RQo/80HJlmIzQx2mVzZsTnGskaQIZt/e8M/f8iwux0n9cYVQSzOwXvR
H575LcDSDAOA+bYCdLJY6csCJypXdcqiuo7Vmw00FHndHzud+54/j/bqNIOvmg3cr1W1B/PNXTdykljuC7rFa58M+W7OUZuFNQmx3G01
WH/4f1uTpdvYFZHW6cFzeukC8+g6cNk4Ycp9HcI8Bj9HB2znFWWUb4gfd/S02p0ZrsKeiOnqF+UuDtCGG6oP7rqxoHf+uBrdqi85CVc+
oPXWEvw78cfQkCPgQmgrQRETsWuXGuA1Lg1OMLWVrF/2eiJ6Y335JOgTeqO46SoPXRwF72n6DkDhmp6YppTiBQWMMi7tQZRCdGsJCxQe
LDQ2Rld5hIfo8AwRExUXHR4lLjZMVGuVl5ytxMrZ7vb+BAsZO2hxdZOjs7jL1ers7fT+AwwzNDtki5maqKmrrLG+ytjm7u/w9Pz+AA4l
N08=
    """
)
