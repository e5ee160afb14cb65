"""Runs nginx, HAProxy, Caddy and Varnish as docs/operations.md configures them: the blocks of the page, with this run's
addresses, ports and certificate in place of the page's."""

import os
import pathlib
import re
import shutil
import subprocess
import time

from client_side import Proxied, connect
from ports import free_port

PAGE = pathlib.Path("docs/operations.md")
SERVICE, NAME = "10.0.0.5:8080", "api.example.com"
CERTIFICATES = "/etc/ssl/api.example.com"
START_SECONDS = 20


def block(language):
    """The first block of the page in a language; later ones are parts of other configurations."""
    found = re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    if not found:
        raise AssertionError(f"{PAGE} has no block in {language}")
    return found[0]


def certificate(folder):
    """Makes a certificate for the proxies, in the three files that the page names."""
    base = os.path.join(folder, "certificate")
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
            "-subj",
            f"/CN={NAME}",
            "-addext",
            f"subjectAltName=DNS:{NAME}",
            "-keyout",
            f"{base}.key",
            "-out",
            f"{base}.pem",
        ],
        check=True,
        capture_output=True,
    )
    with open(f"{base}.both.pem", "wb") as both:
        for end in ("pem", "key"):
            both.write(pathlib.Path(f"{base}.{end}").read_bytes())
    return base


class Server:
    """A proxy in front of the service. `tls` says whether it takes TLS, which the page gives to all but Varnish."""

    name, program, language, tls, package = "", "", "", True, ""

    def __init__(self, folder, service_port, certificates):
        self.folder, self.port, self.certificates = os.path.join(folder, self.name), free_port(), certificates
        os.makedirs(self.folder, exist_ok=True)
        self.service_port, self.process = service_port, None

    def configuration(self):
        """The page's block with the addresses of this run. Each must be there, so that none is forgotten."""
        text = block(self.language)
        for found, ours in self.replacements():
            if found not in text:
                raise AssertionError(f"the block in {self.language} does not have {found!r}")
            text = text.replace(found, ours)
        return text

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        pathlib.Path(path).write_text(text)
        return path

    def start(self):
        with open(os.path.join(self.folder, "log"), "ab") as log:
            environment = {
                **os.environ,
                "HOME": self.folder,
                "XDG_DATA_HOME": self.folder,
                "XDG_CONFIG_HOME": self.folder,
            }
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log, env=environment, cwd=self.folder)
        until = time.monotonic() + START_SECONDS
        while True:
            try:
                connect(self).close()
                break
            except OSError:
                if self.process.poll() is not None or time.monotonic() > until:
                    raise AssertionError(f"{self.name} did not start: {self.said()}") from None
                time.sleep(0.05)
        # Those with health checks serve after the first ones.
        while Proxied(self).ask("GET", "/readyz").status != 200:
            if time.monotonic() > until:
                raise AssertionError(f"{self.name} does not reach the service: {self.said()}")
            time.sleep(0.1)

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def said(self):
        return pathlib.Path(self.folder, "log").read_text(errors="replace")[-2000:]

    @classmethod
    def version(cls):
        said = subprocess.run([cls.program, *cls.asking], capture_output=True, text=True, check=True)
        return re.search(r"\d+\.\d+\.\d+", said.stdout + said.stderr)[0]


class Nginx(Server):
    name, program, language, package, asking = "nginx", "nginx", "nginx", "nginx", ["-v"]

    def replacements(self):
        return (
            (SERVICE, f"127.0.0.1:{self.service_port}"),
            ("listen 443 ssl", f"listen 127.0.0.1:{self.port} ssl"),
            (CERTIFICATES, self.certificates),
        )

    def command(self):
        owner = "user root;" if os.geteuid() == 0 else ""
        folders = " ".join(
            f'{kind}_temp_path "{self.folder}/{kind}";' for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        path = self.write(
            "nginx.conf",
            f'{owner} daemon off; pid "{self.folder}/pid"; worker_processes 1; events {{}}\n'
            f"http {{ access_log off; {folders}\n{self.configuration()} }}\n",
        )
        return [self.program, "-p", self.folder, "-e", "stderr", "-c", path]


class PlainNginx(Nginx):
    """nginx as it is installed: without the three lines that pass WebSockets on."""

    name = "nginx as it comes"

    def replacements(self):
        lines = (
            "        proxy_http_version 1.1;\n",
            "        proxy_set_header Upgrade $http_upgrade;\n",
            "        proxy_set_header Connection $connection_upgrade;\n",
        )
        return (*super().replacements(), *((line, "") for line in lines))


class Haproxy(Server):
    name, program, language, package, asking = "HAProxy", "haproxy", "haproxy", "haproxy", ["-v"]

    def replacements(self):
        return (
            (SERVICE, f"127.0.0.1:{self.service_port}"),
            ("bind :443", f"bind 127.0.0.1:{self.port}"),
            (CERTIFICATES, self.certificates),
        )

    def command(self):
        return [self.program, "-db", "-f", self.write("haproxy.cfg", self.configuration())]


class Caddy(Server):
    name, program, language, package, asking = "Caddy", "caddy", "caddyfile", "caddy", ["version"]

    def replacements(self):
        # The page's has its certificate from an authority, and all names.
        files = f"{self.certificates}.pem {self.certificates}.key"
        ours = f"https://{NAME}:{self.port} {{\n    bind 127.0.0.1\n    tls {files}"
        return (f"{NAME} {{", ours), (SERVICE, f"127.0.0.1:{self.service_port}")

    def command(self):
        options = "{\n    admin off\n    auto_https disable_redirects\n}\n"
        path = self.write("Caddyfile", options + self.configuration())
        return [self.program, "run", "--config", path, "--adapter", "caddyfile"]


class Varnish(Server):
    name, program, language, tls, package, asking = "Varnish", "varnishd", "vcl", False, "varnish", ["-V"]

    def replacements(self):
        return ('"10.0.0.5"', '"127.0.0.1"'), ('"8080"', f'"{self.service_port}"')

    def command(self):
        path = self.write("rollcall.vcl", self.configuration())
        return [
            self.program,
            "-F",
            "-j",
            "none",
            "-a",
            f"127.0.0.1:{self.port}",
            "-f",
            path,
            "-n",
            f"{self.folder}/work",
            "-s",
            "malloc,64m",
        ]


class CachingVarnish(Varnish):
    """Varnish with its own rules, which cache whatever an answer does not forbid."""

    name = "Varnish as it comes"

    def configuration(self):
        return f'vcl 4.1;\nbackend service {{ .host = "127.0.0.1"; .port = "{self.service_port}"; }}\n'


ALL = (Nginx, Haproxy, Caddy, Varnish)


def missing():
    """The Debian packages of proxies that are not installed."""
    return [one.package for one in ALL if not shutil.which(one.program)]
