-- The full snapshot that a checkpoint builds on: states of its generation that lie before it are of somebody else, and not complete.

ALTER TABLE {db}.checkpoints ADD COLUMN IF NOT EXISTS base UInt64 AFTER generation;
