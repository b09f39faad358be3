"""`comptoir erp stuck` beside a whole system: silent while all is well, and telling what was stopped (SYNC-7)."""

from urllib.parse import urlsplit

from ops.process import run_command
from tests.scenarios.conftest import Stage


async def look(stage: Stage, port: int) -> tuple[int, str]:
    env = {**stage.system.erp_env, "COMPTOIR_ERP_HTTP_PORT": str(port)}
    code, out, err = await run_command(["erp", "stuck"], env)
    return code, out + err


async def test_sync_7_a_system_at_work_is_not_stuck_and_one_without_its_erp_is(
    stage: Stage,
) -> None:
    port = urlsplit(stage.system.erp.url).port
    assert port is not None
    assert await look(stage, port) == (0, "nothing is stuck\n")
    await stage.system.erp.stop()
    code, said = await look(stage, port)
    assert code == 1
    assert f"http://127.0.0.1:{port}" in said
    assert "does not answer" in said
