-- Log-in to the console: what people prove themselves by, where they are logged in, and what holds once only. No reader sees any of it.

CREATE TABLE IF NOT EXISTS {db}.credentials
(
    name String COMMENT 'of [[access]]',
    revision UInt64 COMMENT 'the greatest holds',
    at DateTime64(3, 'UTC'),
    `by` String COMMENT 'who made it so',
    password String COMMENT 'argon2id, as PHC writes it; empty: none yet, or taken away',
    totp String COMMENT 'secret of the second factor, encrypted',
    generation UInt64 COMMENT 'log-ins of another one have ended',
    invite_sha256 String COMMENT 'of the link by which both are set anew; empty: there is none',
    invite_expires DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(revision)
ORDER BY name;

CREATE TABLE IF NOT EXISTS {db}.sessions
(
    id_sha256 String COMMENT 'of what the cookie holds',
    name String,
    stamp String COMMENT 'of rights and generation: when they change the log-in has ended',
    started DateTime64(3, 'UTC'),
    expires DateTime64(3, 'UTC'),
    seen DateTime64(3, 'UTC'),
    ended UInt8 COMMENT 'a row that says so is never outdone'
)
ENGINE = ReplacingMergeTree
ORDER BY (id_sha256, seen, ended)
TTL toDateTime(expires) + INTERVAL 1 DAY;

CREATE TABLE IF NOT EXISTS {db}.login_claims
(
    what String COMMENT 'a code of a second factor, a link: each opens once',
    id String COMMENT 'who wants it; where there are two, neither has it',
    at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY (what, id)
TTL toDateTime(at) + INTERVAL 8 DAY;
