-- The tables of mpos-stratum itself. Load them into the schema that holds MPOS's `shares`:
--
--     mariadb poolname < mpos-stratum.sql
--
-- Loading twice does no harm. MPOS never looks at these tables, and nothing of MPOS is changed.
-- All of them must be in the same schema and in a transactional engine, because the position below
-- moves in the same transaction that stores the shares: both or neither.

-- Who writes `shares`, and how far it has come. One row per shares table.
CREATE TABLE IF NOT EXISTS mpos_stratum_cursor (
  name          VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'the shares table: shares',
  spool_id      CHAR(32)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'the spool that is the one writer, 16 bytes in hexadecimal',
  seq           BIGINT UNSIGNED NOT NULL COMMENT 'last event of that spool that is stored; 0: none',
  token         CHAR(32)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'random, new with every attachment: an older connection can no longer write',
  lease_at      DATETIME(3) NOT NULL COMMENT 'last sign of life of the writer, UTC by the clock of the database',
  connection_id BIGINT UNSIGNED NOT NULL COMMENT 'connection of the writer, for SHOW PROCESSLIST',
  host          VARCHAR(64) CHARACTER SET ascii NOT NULL COMMENT 'machine of the writer, and after # what tells its spool from a copy',
  version       VARCHAR(32) CHARACTER SET ascii NOT NULL COMMENT 'version of the writer',
  PRIMARY KEY (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT='mpos-stratum: the writer of shares and its position';

-- Positions of spools that once were the writer, written when another spool takes over, so that an
-- old spool that comes back goes on where it stopped and never stores anything twice.
CREATE TABLE IF NOT EXISTS mpos_stratum_spool (
  name          VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'the shares table: shares',
  spool_id      CHAR(32)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'the spool, 16 bytes in hexadecimal',
  seq           BIGINT UNSIGNED NOT NULL COMMENT 'last event of that spool that is stored',
  host          VARCHAR(64) CHARACTER SET ascii NOT NULL COMMENT 'machine it was on',
  version       VARCHAR(32) CHARACTER SET ascii NOT NULL COMMENT 'version of its writer',
  lease_at      DATETIME(3) NOT NULL COMMENT 'its last sign of life, UTC',
  replaced_at   DATETIME(3) NOT NULL COMMENT 'when another spool took over, UTC',
  PRIMARY KEY (name, spool_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT='mpos-stratum: positions of former writers';

-- Every block candidate with the share row that stands for it, and what became of it.
CREATE TABLE IF NOT EXISTS mpos_stratum_block (
  spool_id      CHAR(32)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'the spool, 16 bytes in hexadecimal',
  seq           BIGINT UNSIGNED NOT NULL COMMENT 'the event in that spool',
  share_id      BIGINT UNSIGNED NOT NULL COMMENT 'shares.id, as the database assigned it',
  height        INT UNSIGNED NOT NULL COMMENT 'height of the candidate',
  hash          CHAR(64)    CHARACTER SET ascii NOT NULL COMMENT 'shares.solution as first written: the block hash, display order; empty if none was',
  node_hash     CHAR(64)    CHARACTER SET ascii NOT NULL DEFAULT '' COMMENT 'the block hash by the node, display order; empty until it is known',
  coinbase_txid CHAR(64)    CHARACTER SET ascii NOT NULL COMMENT 'transaction id of the coinbase, display order',
  header_time   INT UNSIGNED NOT NULL COMMENT 'time in the block header, Unix seconds',
  worker        VARCHAR(120) NOT NULL COMMENT 'shares.username',
  accepted_time BIGINT UNSIGNED NOT NULL COMMENT 'second of acceptance, Unix time: shares.time',
  stored_at     DATETIME(3) NOT NULL COMMENT 'when the row was stored, UTC by the clock of the database',
  verdict       ENUM('pending','accepted','rejected','orphaned') NOT NULL DEFAULT 'pending' COMMENT 'what the node said last; orphaned: it was accepted and lost its place in the chain',
  verdict_at    DATETIME(3) NULL COMMENT 'when that was stored, UTC',
  reason        VARCHAR(50) CHARACTER SET ascii NOT NULL DEFAULT '' COMMENT 'the words of the node when it refused; orphaned: it lost its place',
  share_row     ENUM('present','swapped','archived','gone') NOT NULL DEFAULT 'present' COMMENT 'where the share row was when the verdict came: in place; in place of another candidate (MPOS swaps blocks found out of order); in shares_archive; nowhere',
  PRIMARY KEY (spool_id, seq),
  KEY mpos_stratum_block_share (share_id),
  KEY mpos_stratum_block_hash (hash)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT='mpos-stratum: block candidates';
