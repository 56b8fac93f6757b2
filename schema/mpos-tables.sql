-- A minimal copy of the MPOS tables that a stratum server meets, for tests and demonstrations.
-- Never load it into a real pool: there MPOS has made its own. Columns, types, defaults and keys
-- are those that MPOS 1.1.0 (database version 1.0.3) has; columns that only MPOS itself uses are
-- left out of accounts.

CREATE TABLE IF NOT EXISTS shares (
  id              BIGINT(30) NOT NULL AUTO_INCREMENT,
  rem_host        VARCHAR(255) NOT NULL,
  username        VARCHAR(120) NOT NULL,
  our_result      ENUM('Y','N') NOT NULL,
  upstream_result ENUM('Y','N') DEFAULT NULL,
  reason          VARCHAR(50) DEFAULT NULL,
  solution        VARCHAR(257) NOT NULL,
  difficulty      FLOAT NOT NULL DEFAULT 0,
  time            TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (id),
  KEY time (time),
  KEY upstream_result (upstream_result),
  KEY our_result (our_result),
  KEY username (username),
  KEY shares_username (username(10))
) ENGINE=InnoDB DEFAULT CHARSET=utf8;

CREATE TABLE IF NOT EXISTS shares_archive (
  id              BIGINT(30) UNSIGNED NOT NULL AUTO_INCREMENT,
  share_id        BIGINT(30) UNSIGNED NOT NULL,
  username        VARCHAR(120) NOT NULL,
  our_result      ENUM('Y','N') DEFAULT NULL,
  upstream_result ENUM('Y','N') DEFAULT NULL,
  block_id        INT(10) UNSIGNED NOT NULL,
  difficulty      FLOAT NOT NULL DEFAULT 0,
  time            DATETIME NOT NULL,
  PRIMARY KEY (id),
  UNIQUE KEY share_id (share_id),
  KEY time (time),
  KEY our_result (our_result),
  KEY username (username)
) ENGINE=InnoDB DEFAULT CHARSET=utf8;

CREATE TABLE IF NOT EXISTS accounts (
  id         INT(255) NOT NULL AUTO_INCREMENT,
  is_admin   TINYINT(1) NOT NULL DEFAULT 0,
  is_locked  TINYINT(1) NOT NULL DEFAULT 0,
  username   VARCHAR(40) NOT NULL,
  pass       VARCHAR(255) NOT NULL,
  email      VARCHAR(255) DEFAULT NULL,
  pin        VARCHAR(255) NOT NULL,
  PRIMARY KEY (id),
  UNIQUE KEY username (username)
) ENGINE=InnoDB DEFAULT CHARSET=utf8;

CREATE TABLE IF NOT EXISTS pool_worker (
  id         INT(255) NOT NULL AUTO_INCREMENT,
  account_id INT(255) NOT NULL,
  username   CHAR(50) DEFAULT NULL,
  password   CHAR(255) DEFAULT NULL,
  difficulty FLOAT NOT NULL DEFAULT 0,
  monitor    TINYINT(1) NOT NULL DEFAULT 0,
  PRIMARY KEY (id),
  UNIQUE KEY username (username),
  KEY account_id (account_id),
  KEY pool_worker_username (username(10))
) ENGINE=InnoDB DEFAULT CHARSET=utf8;

CREATE TABLE IF NOT EXISTS blocks (
  id            INT(10) UNSIGNED NOT NULL AUTO_INCREMENT,
  height        INT(10) UNSIGNED NOT NULL,
  blockhash     CHAR(65) NOT NULL,
  confirmations INT(10) NOT NULL,
  amount        DOUBLE NOT NULL,
  difficulty    DOUBLE NOT NULL,
  time          INT(11) NOT NULL,
  accounted     TINYINT(1) NOT NULL DEFAULT 0,
  account_id    INT(255) UNSIGNED DEFAULT NULL,
  worker_name   VARCHAR(50) DEFAULT 'unknown',
  shares        DOUBLE UNSIGNED DEFAULT NULL,
  share_id      BIGINT(30) DEFAULT NULL,
  PRIMARY KEY (id),
  UNIQUE KEY height (height, blockhash),
  KEY time (time)
) ENGINE=InnoDB DEFAULT CHARSET=utf8;

CREATE TABLE IF NOT EXISTS settings (
  name  VARCHAR(255) NOT NULL,
  value TEXT DEFAULT NULL,
  PRIMARY KEY (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8;

CREATE TABLE IF NOT EXISTS monitoring (
  id    INT(11) NOT NULL AUTO_INCREMENT,
  name  VARCHAR(30) NOT NULL,
  type  VARCHAR(15) NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (id),
  UNIQUE KEY name (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8;

INSERT IGNORE INTO settings (name, value) VALUES ('DB_VERSION', '1.0.3');
