-- What people did about alerts. Of two rows that claim one revision the earlier holds, whichever instance wrote it.

CREATE TABLE IF NOT EXISTS {db}.alert_actions
(
    tenant LowCardinality(String),
    alert_id String,
    revision UInt32 COMMENT 'of the alert, from 1: each action makes the next one',
    action_id String,
    at DateTime64(3, 'UTC'),
    actor String,
    actor_role LowCardinality(String),
    action LowCardinality(String),
    verdict LowCardinality(String),
    reason String,
    comment String,
    assignee String
)
ENGINE = ReplacingMergeTree(at)
ORDER BY (tenant, alert_id, revision, action_id);

CREATE OR REPLACE VIEW {db}.actions AS
SELECT tenant, alert_id, revision, action_id, at, actor_role, action, verdict
FROM {db}.alert_actions FINAL
ORDER BY tenant, alert_id, revision, at, action_id
LIMIT 1 BY tenant, alert_id, revision;

CREATE OR REPLACE VIEW {db}.alert_states AS
SELECT tenant, alert_id, max(a.revision) AS revision,
    multiIf(argMaxIf(a.action, a.revision, a.action IN ('acknowledge', 'close', 'reopen')) = 'close', 'closed',
        argMaxIf(a.action, a.revision, a.action IN ('acknowledge', 'close', 'reopen')) = 'acknowledge', 'acknowledged', 'open') AS state,
    argMaxIf(a.verdict, a.revision, a.action IN ('acknowledge', 'close', 'reopen')) AS verdict,
    argMax(a.at, a.revision) AS changed_at
FROM {db}.actions AS a
GROUP BY tenant, alert_id;
