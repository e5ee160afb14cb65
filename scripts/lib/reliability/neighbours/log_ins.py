"""Attacks on authentication: passwords that are set and guessed, and keys that are guessed."""
import asyncio
import itertools
import random

from client import read_answer, request
from neighbours.others import PASSWORD, USERS, email, log_in
from neighbours.row import Row

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Passwords(Row):
    name, title = "passwords", "900 passwords set, 16 at a time, over and over"
    budget, log_ins = "passwords", True

    async def attack(self):
        numbers = itertools.count()

        def make():
            n = next(numbers)
            user = 1 + n % self.hostile.users
            fields = {"password": f"another-horse-{n}", "email": email(self.hostile, user)}
            return request("PUT", f"/operator/{user}", self.hostile.key, fields)
        await self.crowd(16, make)


class Guesses(Row):
    """Guesses the password of one user of the others. That user must still be able to log in from another address."""
    name, title = "guessed-passwords", "11 wrong log-ins of another tenant's user from one address, over and over"
    credential, log_ins = "none", True

    async def prepare(self, stage):
        await super().prepare(stage)
        self.name_guessed = email(stage.tenant, USERS)

    async def attack(self):
        body = f"grant_type=password&username={self.name_guessed}&password=wrong-horse-battery".encode()
        data = request("POST", "/oauth2/token", None, body, FORM)
        await self.crowd(4, lambda: data, {400, 401}, 0.05)

    async def judge(self, stage, turns):
        for _ in range(11):
            await guess(stage.service.port, self.name_guessed)
        answer = await log_in(stage.service.port, self.name_guessed, PASSWORD, 40_000)
        turns.notes["owner"] = answer.status
        if answer.status == 200:
            return []
        return [f"the owner is answered {answer.status} {answer.body[:100]!r} after 11 guesses"]


class ManyAddresses(Row):
    """Guesses passwords of addresses that do not exist, from many addresses of this machine."""
    name, title = "many-addresses", "wrong log-ins from 300 addresses, two at a time from each"
    credential, budget, log_ins = "none", "passwords", True

    async def attack(self):
        addresses = [f"127.3.{n // 250}.{n % 250 + 1}" for n in range(self.scaled(300, 40))]
        await asyncio.gather(*(self.guess_from(address) for address in addresses * 2))

    async def guess_from(self, address):
        while not self.done:
            body = f"grant_type=password&username=guess{random.random()}@none.example&password=wrong-horse".encode()
            await self.expect(request("POST", "/oauth2/token", None, body, FORM), {400, 401}, (address, 0))


async def guess(port, name):
    body = f"grant_type=password&username={name}&password=wrong-horse-battery".encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request("POST", "/oauth2/token", None, body, FORM))
    await read_answer(reader)
    writer.transport.abort()


class BadKeys(Row):
    """Sends guessed keys, and bytes that are not valid requests."""
    name, title = "guessed-keys", "guessed keys, TLS on the plain port, 5,000 headers, smuggling"
    credential = "none"

    async def attack(self):
        made = [request("GET", "/operator/live", "rk_" + "x" * 40), b"\x16\x03\x01\x00\xa5\x01\x00\x00" * 8,
                b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 5_000, b"POST /v1/events HTTP/1.1\r\nHost: a\r\n"
                b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nzzz\r\n\r\n"]
        await self.crowd(4, lambda: random.choice(made), {400, 401, 403, 431}, 0.05)


ROWS = (Passwords, Guesses, ManyAddresses, BadKeys)
