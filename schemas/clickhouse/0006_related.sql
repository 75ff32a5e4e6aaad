-- How many of a day's clients had a reason: own, an order, a hand-over, a contact of theirs.

ALTER TABLE {db}.manager_day ADD COLUMN IF NOT EXISTS related UInt64 AFTER clients;
