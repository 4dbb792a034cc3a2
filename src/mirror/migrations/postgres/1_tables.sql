-- SQL dump generated using DBML (dbml.dbdiagram.io)
-- Database: PostgreSQL

CREATE TABLE "trades" (
  "seat" bigint NOT NULL,
  "model" text,
  "ticket" text,
  "deal_id" varchar(64) NOT NULL,
  "epic" varchar(64),
  "direction" varchar(8),
  "size" numeric(20,6),
  "opened" timestamp(6),
  "closed" timestamp(6),
  "open_level" numeric(20,6),
  "close_level" numeric(20,6),
  "stop_level" numeric(20,6),
  "limit_level" numeric(20,6),
  "reason" varchar(16),
  "profit" numeric(20,6),
  "costs" numeric(20,6),
  "r" float8,
  "y_pred" float8,
  "y_true" float8,
  "bought_for" numeric(20,6),
  "sold_at" numeric(20,6),
  PRIMARY KEY ("seat", "deal_id")
);

CREATE TABLE "predictions" (
  "seat" bigint NOT NULL,
  "model" text,
  "ticket" text,
  "epic" varchar(64),
  "time" timestamp(6) NOT NULL,
  "signal" varchar(8),
  "acted" boolean,
  "abstained" boolean,
  "distance" float8,
  "y_pred" float8,
  "y_true" float8,
  PRIMARY KEY ("seat", "time")
);

CREATE TABLE "bars" (
  "epic" varchar(64) NOT NULL,
  "bar" varchar(16) NOT NULL,
  "start" timestamp(6) NOT NULL,
  "end" timestamp(6),
  "bid_open" numeric(20,6),
  "bid_high" numeric(20,6),
  "bid_low" numeric(20,6),
  "bid_close" numeric(20,6),
  "offer_open" numeric(20,6),
  "offer_high" numeric(20,6),
  "offer_low" numeric(20,6),
  "offer_close" numeric(20,6),
  "quotes" bigint,
  PRIMARY KEY ("epic", "bar", "start")
);

CREATE TABLE "quotes" (
  "n" bigint NOT NULL,
  "epic" varchar(64) NOT NULL,
  "time_utc" timestamp(6) NOT NULL,
  "bid" numeric(20,6),
  "offer" numeric(20,6),
  PRIMARY KEY ("epic", "time_utc", "n")
);

CREATE TABLE "lifecycle" (
  "seq" bigint NOT NULL,
  "time" timestamp(6),
  "model" text,
  "ticket" text,
  "from" varchar(16),
  "to" varchar(16),
  "reason" text,
  PRIMARY KEY ("seq")
);

CREATE TABLE "orders" (
  "seat" bigint NOT NULL,
  "model" text,
  "ticket" text,
  "epic" varchar(64),
  "made" timestamp(6) NOT NULL,
  "direction" varchar(8),
  "valid_from" timestamp(6),
  "valid_until" timestamp(6),
  "y_pred" float8,
  "outcome" varchar(32),
  "deal_id" varchar(64),
  "opened" timestamp(6),
  "level" numeric(20,6),
  PRIMARY KEY ("seat", "made")
);

CREATE TABLE "deals" (
  "reference" varchar(64) NOT NULL,
  "deal_id" varchar(64),
  "model" text,
  "ticket" text,
  "epic" varchar(64),
  "direction" varchar(8),
  "size" numeric(20,6),
  "status" varchar(16),
  "sent" timestamp(6),
  "opened" timestamp(6),
  "open_level" numeric(20,6),
  "stop_level" numeric(20,6),
  "limit_level" numeric(20,6),
  "closed" timestamp(6),
  "close_level" numeric(20,6),
  "reason" text,
  "profit" numeric(20,6),
  PRIMARY KEY ("reference")
);

CREATE TABLE "faults" (
  "seq" bigint NOT NULL,
  "time" timestamp(6),
  "until" timestamp(6),
  "kind" varchar(64),
  "text" text,
  PRIMARY KEY ("seq")
);

CREATE TABLE "models" (
  "seat" bigint NOT NULL,
  "model" text,
  "ticket" text,
  "version" text,
  "epic" varchar(64),
  "bar" varchar(16),
  "content_hash" varchar(64),
  "generation" bigint,
  "registered" timestamp(6),
  "currency" varchar(8),
  "floor_r" float8,
  "artefact" varchar(64),
  "settings" text,
  PRIMARY KEY ("seat")
);

CREATE TABLE "model_data" (
  "seat" bigint NOT NULL,
  "n" bigint NOT NULL,
  "reference" text,
  "kind" text,
  "name" text,
  "sha256" varchar(64),
  "range" text,
  PRIMARY KEY ("seat", "n")
);

CREATE TABLE "mirror_cursors" (
  "lane" bigint NOT NULL,
  "name" varchar(64),
  "entries" bigint,
  "cut" bigint,
  "at_micros" bigint,
  "ties" bigint,
  "settled_micros" bigint,
  "lost" bigint,
  PRIMARY KEY ("lane")
);

CREATE TABLE "mirror_arena" (
  "id" bigint NOT NULL,
  "name" varchar(64),
  "identity" varchar(64),
  PRIMARY KEY ("id")
);

CREATE INDEX "trades_closed" ON "trades" ("closed");

CREATE INDEX "predictions_time" ON "predictions" ("time");

CREATE INDEX "bars_start" ON "bars" ("start");

CREATE INDEX "orders_made" ON "orders" ("made");

CREATE INDEX "deals_sent" ON "deals" ("sent");

COMMENT ON TABLE "trades" IS 'Closed paper trades.';

COMMENT ON COLUMN "trades"."seat" IS 'registration number of the candidate, as in models';

COMMENT ON COLUMN "trades"."model" IS 'name of the candidate';

COMMENT ON COLUMN "trades"."ticket" IS 'name@version#hash8';

COMMENT ON COLUMN "trades"."deal_id" IS 'hash8 and number of the deal';

COMMENT ON COLUMN "trades"."direction" IS 'long or short';

COMMENT ON COLUMN "trades"."reason" IS 'what closed it: stop, limit, time and so on';

COMMENT ON COLUMN "trades"."profit" IS 'after costs';

COMMENT ON COLUMN "trades"."costs" IS 'slippage and funding';

COMMENT ON COLUMN "trades"."r" IS 'profit over the risk unit';

COMMENT ON COLUMN "trades"."y_pred" IS 'exit over entry as predicted';

COMMENT ON COLUMN "trades"."y_true" IS 'exit over entry as it came';

COMMENT ON COLUMN "trades"."bought_for" IS 'the level that was paid: of the entry if long, of the exit if short';

COMMENT ON COLUMN "trades"."sold_at" IS 'the level that was got: of the exit if long, of the entry if short';

COMMENT ON TABLE "predictions" IS 'Predictions beside what came true.';

COMMENT ON COLUMN "predictions"."model" IS 'name of the candidate';

COMMENT ON COLUMN "predictions"."ticket" IS 'name@version#hash8';

COMMENT ON COLUMN "predictions"."time" IS 'close of the bar';

COMMENT ON COLUMN "predictions"."signal" IS 'long, short or none';

COMMENT ON COLUMN "predictions"."acted" IS 'an order came of it';

COMMENT ON COLUMN "predictions"."abstained" IS 'the nearness gate kept it from a stance';

COMMENT ON COLUMN "predictions"."y_true" IS 'null until it is known';

COMMENT ON TABLE "bars" IS 'Closed bars.';

COMMENT ON COLUMN "bars"."bar" IS 'their length, such as 1m';

COMMENT ON COLUMN "bars"."quotes" IS 'how many it is made of';

COMMENT ON TABLE "quotes" IS 'Accepted quotes, where [mirror] quotes is true.';

COMMENT ON COLUMN "quotes"."n" IS 'counts quotes of the same time';

COMMENT ON TABLE "lifecycle" IS 'Every change of a candidate from one state to another.';

COMMENT ON COLUMN "lifecycle"."seq" IS 'number of the audit record';

COMMENT ON TABLE "orders" IS 'Paper orders and what became of them.';

COMMENT ON COLUMN "orders"."model" IS 'name of the candidate';

COMMENT ON COLUMN "orders"."ticket" IS 'name@version#hash8';

COMMENT ON COLUMN "orders"."made" IS 'close of the bar';

COMMENT ON COLUMN "orders"."outcome" IS 'pending, filled, lapsed or refused:session';

COMMENT ON COLUMN "orders"."deal_id" IS 'as in trades';

COMMENT ON TABLE "deals" IS 'Live deals from intent to close.';

COMMENT ON COLUMN "deals"."reference" IS 'ours';

COMMENT ON COLUMN "deals"."deal_id" IS 'of the broker';

COMMENT ON COLUMN "deals"."model" IS 'name of the candidate';

COMMENT ON COLUMN "deals"."ticket" IS 'name@version#hash8';

COMMENT ON COLUMN "deals"."status" IS 'sent, open, unknown, rejected, closed or written_off';

COMMENT ON TABLE "faults" IS 'Gaps, faults, suspensions and reloads of the session.';

COMMENT ON COLUMN "faults"."seq" IS 'number of the entry in the session';

COMMENT ON TABLE "models" IS 'Every candidate ever registered.';

COMMENT ON COLUMN "models"."seat" IS 'registration number';

COMMENT ON COLUMN "models"."version" IS 'of what predicts; 0 for rules';

COMMENT ON COLUMN "models"."artefact" IS 'SHA-256 of the fitted content';

COMMENT ON TABLE "model_data" IS 'The data sets that a trained version was fitted on.';

COMMENT ON COLUMN "model_data"."seat" IS 'as in models';

COMMENT ON COLUMN "model_data"."n" IS 'counts the data sets of the version';

COMMENT ON COLUMN "model_data"."reference" IS 'the version by its exact name';

COMMENT ON COLUMN "model_data"."name" IS 'of the data set';

COMMENT ON COLUMN "model_data"."sha256" IS 'of its file';

COMMENT ON COLUMN "model_data"."range" IS 'its first and its last bar, and how many there are';

COMMENT ON TABLE "mirror_cursors" IS 'How far the journal has been copied, lane by lane.';

COMMENT ON COLUMN "mirror_cursors"."entries" IS 'entries that are never deleted';

COMMENT ON COLUMN "mirror_cursors"."cut" IS 'quotes or predictions copied, or deleted before they were';

COMMENT ON COLUMN "mirror_cursors"."at_micros" IS 'time of the last of those, in microseconds since 1970';

COMMENT ON COLUMN "mirror_cursors"."ties" IS 'how many of those have that time';

COMMENT ON COLUMN "mirror_cursors"."settled_micros" IS 'predictions before this time have all that will be known of them';

COMMENT ON COLUMN "mirror_cursors"."lost" IS 'deleted from the store before they were copied';

COMMENT ON TABLE "mirror_arena" IS 'Whose copy this is.';

COMMENT ON COLUMN "mirror_arena"."identity" IS 'SHA-256 over the beginning of its journal';
