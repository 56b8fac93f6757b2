-- The least a database user of mpos-stratum needs. An example: put in your own schema names
-- (`mpos`, and another one for accounts and pool_worker where several MPOS share them), user,
-- host and password. It needs no DELETE anywhere, and no grant to KILL its own connections.

CREATE USER IF NOT EXISTS 'mpos_stratum'@'localhost' IDENTIFIED BY 'change-me';

-- Shares: written, and block candidates updated by primary key.
GRANT SELECT, INSERT, UPDATE ON mpos.shares TO 'mpos_stratum'@'localhost';

-- Our own tables (load mpos-stratum.sql first).
GRANT SELECT, INSERT, UPDATE ON mpos.mpos_stratum_cursor TO 'mpos_stratum'@'localhost';
GRANT SELECT, INSERT, UPDATE ON mpos.mpos_stratum_spool TO 'mpos_stratum'@'localhost';
GRANT SELECT, INSERT, UPDATE ON mpos.mpos_stratum_block TO 'mpos_stratum'@'localhost';

-- Read only: how far MPOS has come with share ids, and the state of its cron jobs.
GRANT SELECT ON mpos.shares_archive TO 'mpos_stratum'@'localhost';
GRANT SELECT ON mpos.blocks TO 'mpos_stratum'@'localhost';
GRANT SELECT ON mpos.settings TO 'mpos_stratum'@'localhost';
GRANT SELECT ON mpos.monitoring TO 'mpos_stratum'@'localhost';

-- Workers and accounts, in the schema where MPOS keeps them.
GRANT SELECT (id, username, is_locked) ON mpos.accounts TO 'mpos_stratum'@'localhost';
GRANT SELECT ON mpos.pool_worker TO 'mpos_stratum'@'localhost';

-- Only with auto_create = true, which is not the default: unknown workers of known accounts are stored. Take the mark of
-- comment away then.
-- GRANT INSERT (account_id, username, password) ON mpos.pool_worker TO 'mpos_stratum'@'localhost';

-- Only with pool_worker_difficulty = "write", which is the default: what a worker has is shown by MPOS.
GRANT UPDATE (difficulty) ON mpos.pool_worker TO 'mpos_stratum'@'localhost';
