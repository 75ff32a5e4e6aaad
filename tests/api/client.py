"""A client generated from schemas/openapi.json: reads alerts, answers one, is told of a conflict, and is refused.

Usage: client.py URL ANALYST_TOKEN AUDITOR_TOKEN FOLDER
"""

import pathlib
import subprocess
import sys
import time

url, analyst, auditor, folder = sys.argv[1:]
generator = pathlib.Path(sys.executable).with_name("openapi-python-client")
made = pathlib.Path(folder) / "filin_client"
made.parent.mkdir()
told = subprocess.run(
    [generator, "generate", "--path", "schemas/openapi.json", "--meta", "none", "--output-path", made],
    capture_output=True,
    text=True,
)
assert told.returncode == 0, told.stdout + told.stderr
sys.path.insert(0, folder)

from filin_client import AuthenticatedClient  # noqa: E402
from filin_client.api.default import act_on_alert, get_alert, get_client_access, get_manager, list_alerts, list_managers  # noqa: E402
from filin_client.models import ActionKind, ActionOrder, Problem, Verdict  # noqa: E402

client = AuthenticatedClient(base_url=url, token=analyst)
deadline = time.monotonic() + 60
while not (alerts := list_alerts.sync(client=client, limit=1000).alerts):
    assert time.monotonic() < deadline, "no alert within a minute"
    time.sleep(0.5)
assert all(a.bits == sum(c.bits for c in a.contributions) for a in alerts), "contributions add up"
managers = list_managers.sync(client=client, tenant="default").managers
assert managers, "managers"
known = get_manager.sync(managers[0].manager_alias, client=client, days=60)
assert known.manager.manager_alias == managers[0].manager_alias, "a manager"
assert get_client_access.sync("nobody", client=client).people == [], "nobody looked at a client who is not there"

first = alerts[0]
whole = get_alert.sync(first.alert_id, client=client)
assert whole.alert.alert_id == first.alert_id and whole.versions[-1].version == first.version

order = ActionOrder(action=ActionKind.CLOSE, verdict=Verdict.BENIGN_EXPECTED, reason="quarter-end report", revision=0)
done = act_on_alert.sync(first.alert_id, client=client, body=order)
assert done.action.actor == "analyst-1" and done.action.revision == 1, done
late = ActionOrder(action=ActionKind.REOPEN, revision=0)
conflict = act_on_alert.sync(first.alert_id, client=client, body=late)
assert isinstance(conflict, Problem) and (conflict.status, conflict.code) == (409, "stale_revision"), conflict
reader = AuthenticatedClient(base_url=url, token=auditor)
refused = act_on_alert.sync(first.alert_id, client=reader, body=ActionOrder(action=ActionKind.REOPEN, revision=1))
assert isinstance(refused, Problem) and refused.status == 403, refused
print(f"{len(alerts)} alerts read, one answered, a conflict and a refusal understood")
