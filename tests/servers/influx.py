"""A real InfluxDB for a test: Debian's 1.6 behind nginx, which maps the 2.x write path as InfluxDB 1.8 does itself.

    with influxdb() as server:
        ...  # server.url, server.restart(), server.kill9(), server.pause()

`given_influxdb()` names the server of RASAD_TEST_INFLUX_URL (2.x or later), with RASAD_TEST_INFLUX_TOKEN and _ORG.
"""

from __future__ import annotations

import getpass
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from string import Template

import httpx

from tests.servers.process import ServerProcess, free_port

_INFLUXD = Template("""reporting-disabled = true
bind-address = "127.0.0.1:$rpc"
[meta]
  dir = "$folder/meta"
  logging-enabled = false
[data]
  dir = "$folder/data"
  wal-dir = "$folder/wal"
  index-version = "tsi1"
  query-log-enabled = false
[monitor]
  store-enabled = false
[retention]
  check-interval = "1s"
[http]
  bind-address = "127.0.0.1:$port"
  auth-enabled = $auth
  log-enabled = false
[continuous_queries]
  enabled = false
""")

_NGINX = Template("""daemon off;
master_process off;
user $user;
pid $folder/nginx.pid;
error_log stderr warn;
events { worker_connections 256; }
http {
  access_log off;
  client_max_body_size 25m;
  client_body_temp_path $folder/body;
  proxy_temp_path $folder/proxy;
  fastcgi_temp_path $folder/fastcgi;
  uwsgi_temp_path $folder/uwsgi;
  scgi_temp_path $folder/scgi;
  map $$arg_bucket $$database { "~^(?<database_name>[^/%]+)(?:/|%2[fF])" $$database_name; default $$arg_bucket; }
  map $$arg_bucket $$policy { "~(?:/|%2[fF])(?<policy_name>.*)$$" $$policy_name; default ""; }
  map $$arg_precision $$unit { us u; ns n; default $$arg_precision; }
  upstream influxd { server 127.0.0.1:$backend; keepalive 8; }
  server {
    listen 127.0.0.1:$port;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    location = /health { proxy_pass http://influxd/ping; }
    location = /api/v2/write {
      if (-f $folder/busy) { add_header Retry-After 7 always; return 429; }
      proxy_pass http://influxd/write?db=$$database&rp=$$policy&precision=$$unit;
    }
    location / { proxy_pass http://influxd; }
  }
}
""")


@dataclass(frozen=True)
class GivenServer:
    """An InfluxDB that is not ours: where it is and what it wants to hear."""

    url: str
    token: str | None = None
    org: str | None = None


def given_influxdb() -> GivenServer | None:
    """Name the server that the environment gives, or None."""
    url = os.environ.get("RASAD_TEST_INFLUX_URL")
    if not url:
        return None
    return GivenServer(url, os.environ.get("RASAD_TEST_INFLUX_TOKEN"), os.environ.get("RASAD_TEST_INFLUX_ORG"))


class InfluxServer(ServerProcess):
    """influxd 1.6 and the nginx in front of it; `stop`, `kill9`, `pause` act on influxd, `proxy` is nginx.

    While influxd is down, nginx answers 502, as a reverse proxy in production does; `proxy.stop()` gives a refused
    connection instead. While the file `busy` is in `folder`, nginx answers writes with 429 and Retry-After: 7.
    """

    def __init__(self, folder: Path, auth: bool = False) -> None:
        backend, front = free_port(), free_port()
        names: dict[str, object] = {"folder": folder, "user": getpass.getuser(), "rpc": free_port()}
        names |= {"backend": backend, "auth": str(auth).lower()}
        (folder / "influxd.conf").write_text(_INFLUXD.substitute(names, port=backend))
        (folder / "nginx.conf").write_text(_NGINX.substitute(names, port=front))
        super().__init__(["influxd", "-config", str(folder / "influxd.conf")], backend, folder)
        self.proxy = ServerProcess(["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")], front, folder)
        self.url = f"http://127.0.0.1:{front}"

    def ready(self) -> bool:
        """Tell whether influxd answers its own ping."""
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/ping", timeout=2.0).status_code == 204
        except httpx.TransportError:
            return False


@contextmanager
def influxdb(auth: bool = False, inside: Path | None = None) -> Iterator[InfluxServer]:
    """Run InfluxDB 1.6 behind nginx on free loopback ports, in a temporary folder (`inside` another one, if given).

    With `auth` it wants a user and a password; the first user, an administrator, is for the test to make.
    """
    with tempfile.TemporaryDirectory(prefix="rasad-influxdb-", dir=inside) as name:
        server = InfluxServer(Path(name), auth)
        with server, server.proxy:
            yield server
