-- SQL dump generated using DBML (dbml.dbdiagram.io)
-- Database: MySQL

CREATE TABLE `trades` (
  `seat` bigint NOT NULL COMMENT 'registration number of the candidate, as in models',
  `model` text COMMENT 'name of the candidate',
  `ticket` text COMMENT 'name@version#hash8',
  `deal_id` varchar(64) NOT NULL COMMENT 'hash8 and number of the deal',
  `epic` varchar(64),
  `direction` varchar(8) COMMENT 'long or short',
  `size` numeric(20,6),
  `opened` timestamp(6),
  `closed` timestamp(6),
  `open_level` numeric(20,6),
  `close_level` numeric(20,6),
  `stop_level` numeric(20,6),
  `limit_level` numeric(20,6),
  `reason` varchar(16) COMMENT 'what closed it: stop, limit, time and so on',
  `profit` numeric(20,6) COMMENT 'after costs',
  `costs` numeric(20,6) COMMENT 'slippage and funding',
  `r` float8 COMMENT 'profit over the risk unit',
  `y_pred` float8 COMMENT 'exit over entry as predicted',
  `y_true` float8 COMMENT 'exit over entry as it came',
  `bought_for` numeric(20,6) COMMENT 'the level that was paid: of the entry if long, of the exit if short',
  `sold_at` numeric(20,6) COMMENT 'the level that was got: of the exit if long, of the entry if short',
  PRIMARY KEY (`seat`, `deal_id`)
);

CREATE TABLE `predictions` (
  `seat` bigint NOT NULL,
  `model` text COMMENT 'name of the candidate',
  `ticket` text COMMENT 'name@version#hash8',
  `epic` varchar(64),
  `time` timestamp(6) NOT NULL COMMENT 'close of the bar',
  `signal` varchar(8) COMMENT 'long, short or none',
  `acted` boolean COMMENT 'an order came of it',
  `abstained` boolean COMMENT 'the nearness gate kept it from a stance',
  `distance` float8,
  `y_pred` float8,
  `y_true` float8 COMMENT 'null until it is known',
  PRIMARY KEY (`seat`, `time`)
);

CREATE TABLE `bars` (
  `epic` varchar(64) NOT NULL,
  `bar` varchar(16) NOT NULL COMMENT 'their length, such as 1m',
  `start` timestamp(6) NOT NULL,
  `end` timestamp(6),
  `bid_open` numeric(20,6),
  `bid_high` numeric(20,6),
  `bid_low` numeric(20,6),
  `bid_close` numeric(20,6),
  `offer_open` numeric(20,6),
  `offer_high` numeric(20,6),
  `offer_low` numeric(20,6),
  `offer_close` numeric(20,6),
  `quotes` bigint COMMENT 'how many it is made of',
  PRIMARY KEY (`epic`, `bar`, `start`)
);

CREATE TABLE `quotes` (
  `n` bigint NOT NULL COMMENT 'counts quotes of the same time',
  `epic` varchar(64) NOT NULL,
  `time_utc` timestamp(6) NOT NULL,
  `bid` numeric(20,6),
  `offer` numeric(20,6),
  PRIMARY KEY (`epic`, `time_utc`, `n`)
);

CREATE TABLE `lifecycle` (
  `seq` bigint NOT NULL COMMENT 'number of the audit record',
  `time` timestamp(6),
  `model` text,
  `ticket` text,
  `from` varchar(16),
  `to` varchar(16),
  `reason` text,
  PRIMARY KEY (`seq`)
);

CREATE TABLE `orders` (
  `seat` bigint NOT NULL,
  `model` text COMMENT 'name of the candidate',
  `ticket` text COMMENT 'name@version#hash8',
  `epic` varchar(64),
  `made` timestamp(6) NOT NULL COMMENT 'close of the bar',
  `direction` varchar(8),
  `valid_from` timestamp(6),
  `valid_until` timestamp(6),
  `y_pred` float8,
  `outcome` varchar(32) COMMENT 'pending, filled, lapsed or refused:session',
  `deal_id` varchar(64) COMMENT 'as in trades',
  `opened` timestamp(6),
  `level` numeric(20,6),
  PRIMARY KEY (`seat`, `made`)
);

CREATE TABLE `deals` (
  `reference` varchar(64) NOT NULL COMMENT 'ours',
  `deal_id` varchar(64) COMMENT 'of the broker',
  `model` text COMMENT 'name of the candidate',
  `ticket` text COMMENT 'name@version#hash8',
  `epic` varchar(64),
  `direction` varchar(8),
  `size` numeric(20,6),
  `status` varchar(16) COMMENT 'sent, open, unknown, rejected, closed or written_off',
  `sent` timestamp(6),
  `opened` timestamp(6),
  `open_level` numeric(20,6),
  `stop_level` numeric(20,6),
  `limit_level` numeric(20,6),
  `closed` timestamp(6),
  `close_level` numeric(20,6),
  `reason` text,
  `profit` numeric(20,6),
  PRIMARY KEY (`reference`)
);

CREATE TABLE `faults` (
  `seq` bigint NOT NULL COMMENT 'number of the entry in the session',
  `time` timestamp(6),
  `until` timestamp(6),
  `kind` varchar(64),
  `text` text,
  PRIMARY KEY (`seq`)
);

CREATE TABLE `models` (
  `seat` bigint NOT NULL COMMENT 'registration number',
  `model` text,
  `ticket` text,
  `version` text COMMENT 'of what predicts; 0 for rules',
  `epic` varchar(64),
  `bar` varchar(16),
  `content_hash` varchar(64),
  `generation` bigint,
  `registered` timestamp(6),
  `currency` varchar(8),
  `floor_r` float8,
  `artefact` varchar(64) COMMENT 'SHA-256 of the fitted content',
  `settings` text,
  PRIMARY KEY (`seat`)
);

CREATE TABLE `model_data` (
  `seat` bigint NOT NULL COMMENT 'as in models',
  `n` bigint NOT NULL COMMENT 'counts the data sets of the version',
  `reference` text COMMENT 'the version by its exact name',
  `kind` text,
  `name` text COMMENT 'of the data set',
  `sha256` varchar(64) COMMENT 'of its file',
  `range` text COMMENT 'its first and its last bar, and how many there are',
  PRIMARY KEY (`seat`, `n`)
);

CREATE TABLE `mirror_cursors` (
  `lane` bigint NOT NULL,
  `name` varchar(64),
  `entries` bigint COMMENT 'entries that are never deleted',
  `cut` bigint COMMENT 'quotes or predictions copied, or deleted before they were',
  `at_micros` bigint COMMENT 'time of the last of those, in microseconds since 1970',
  `ties` bigint COMMENT 'how many of those have that time',
  `settled_micros` bigint COMMENT 'predictions before this time have all that will be known of them',
  `lost` bigint COMMENT 'deleted from the store before they were copied',
  PRIMARY KEY (`lane`)
);

CREATE TABLE `mirror_arena` (
  `id` bigint NOT NULL,
  `name` varchar(64),
  `identity` varchar(64) COMMENT 'SHA-256 over the beginning of its journal',
  PRIMARY KEY (`id`)
);

CREATE INDEX `trades_closed` ON `trades` (`closed`);

CREATE INDEX `predictions_time` ON `predictions` (`time`);

CREATE INDEX `bars_start` ON `bars` (`start`);

CREATE INDEX `orders_made` ON `orders` (`made`);

CREATE INDEX `deals_sent` ON `deals` (`sent`);

ALTER TABLE `trades` COMMENT = 'Closed paper trades.';

ALTER TABLE `predictions` COMMENT = 'Predictions beside what came true.';

ALTER TABLE `bars` COMMENT = 'Closed bars.';

ALTER TABLE `quotes` COMMENT = 'Accepted quotes, where [mirror] quotes is true.';

ALTER TABLE `lifecycle` COMMENT = 'Every change of a candidate from one state to another.';

ALTER TABLE `orders` COMMENT = 'Paper orders and what became of them.';

ALTER TABLE `deals` COMMENT = 'Live deals from intent to close.';

ALTER TABLE `faults` COMMENT = 'Gaps, faults, suspensions and reloads of the session.';

ALTER TABLE `models` COMMENT = 'Every candidate ever registered.';

ALTER TABLE `model_data` COMMENT = 'The data sets that a trained version was fitted on.';

ALTER TABLE `mirror_cursors` COMMENT = 'How far the journal has been copied, lane by lane.';

ALTER TABLE `mirror_arena` COMMENT = 'Whose copy this is.';
