"""Client modules: no first call waits for an import, and nothing is imported that nobody needs."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from pydantic import SecretStr

from openfeature_triton.provider import Keyring, Registry, Service

PROGRAM = """
import sys
from openfeature import api
from openfeature_triton.flagd_config import example
from openfeature_triton.provider import Experiments, ProviderSettings, Service, TritonProvider
service = Service("s", "asr", "127.0.0.1:1", "m", protocol={protocol!r})
{start}
assert "tritonclient.http.aio" in sys.modules
print(int("tritonclient.grpc.aio" in sys.modules))
api.shutdown()
"""
STARTS = {
    "own": "Experiments(api.get_client(), own={'s': service})",
    "a mapping": "api.set_provider_and_wait(TritonProvider(example('asr'), {'s': service}))\n"
    "Experiments(api.get_client())",
    "the registry": "api.set_provider_and_wait(TritonProvider.open(ProviderSettings()))\n"
    "Experiments(api.get_client())",
}


@pytest.mark.parametrize(("protocol", "imported"), [("grpc", "1"), ("http", "0")])
@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_grpc_is_imported_at_the_start_where_a_service_speaks_it(
    tmp_path: Path, start: str, protocol: str, imported: str
) -> None:
    """Wherever the service is known from; and else it is not."""
    url = f"sqlite:///{tmp_path}/registry.db"
    with closing(Registry(SecretStr(url), Keyring(()))) as registry:
        registry.create_schema()
        registry.add(Service("s", "asr", "127.0.0.1:1", "m", protocol=protocol))
    root = Path(__file__).parents[2]
    program = PROGRAM.format(protocol=protocol, start=start)
    flags = root / "flagd_config" / "examples" / "asr.json"
    found = subprocess.run(
        [sys.executable, "-c", program],
        env={"OFT_REGISTRY": url, "OFT_FLAGS": str(flags)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (found.stdout.strip(), found.returncode) == (imported, 0), found.stderr
