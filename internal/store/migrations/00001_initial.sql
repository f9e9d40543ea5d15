-- +goose Up

-- Every time is Unix milliseconds in UTC; 0 means "not yet". Amounts are minor units. JSON is text: it is never searched.
-- app_id is part of every key of a table that grows with traffic, so that a distributed database can shard by it. It
-- leads the primary key, which is in the order of the app's lists. Where PostgreSQL has no statistics yet, all indexes that
-- begin with the app look equally good to it and it takes the youngest: only the one for looking rows up by their id
-- may be another, and it comes after the primary key.

CREATE TABLE payments (
    app_id             text    NOT NULL,
    id                 text    NOT NULL,
    account_id         text    NOT NULL,
    out_trade_no       text    NOT NULL,
    amount             bigint  NOT NULL CHECK (amount > 0),
    currency           text    NOT NULL,
    description        text    NOT NULL,
    channel            text    NOT NULL,
    metadata           text    NOT NULL,
    content_hash       text    NOT NULL,
    late_policy        text    NOT NULL,
    status             text    NOT NULL,
    amount_paid        bigint  NOT NULL,
    amount_refunded    bigint  NOT NULL CHECK (amount_refunded >= 0),
    amount_refunding   bigint  NOT NULL CHECK (amount_refunding >= 0),
    late_paid          boolean NOT NULL,
    created_at         bigint  NOT NULL,
    updated_at         bigint  NOT NULL,
    expires_at         bigint  NOT NULL,
    paid_at            bigint  NOT NULL,
    closed_at          bigint  NOT NULL,
    close_requested_at bigint  NOT NULL,
    sequence           bigint  NOT NULL,
    version            bigint  NOT NULL,
    PRIMARY KEY (app_id, created_at, id),
    -- The last guard against giving back more than came in, should every other one fail.
    CONSTRAINT refunds_within_paid CHECK (amount_refunded + amount_refunding <= amount_paid)
);
CREATE UNIQUE INDEX payments_id ON payments (app_id, id);
CREATE UNIQUE INDEX payments_out_trade_no ON payments (out_trade_no, app_id);

CREATE TABLE attempts (
    app_id                text    NOT NULL,
    id                    text    NOT NULL,
    payment_id            text    NOT NULL,
    account_id            text    NOT NULL,
    ordinal               integer NOT NULL,
    product               text    NOT NULL,
    payer_openid          text    NOT NULL,
    client_ip             text    NOT NULL,
    return_url            text    NOT NULL,
    trade_no              text    NOT NULL,
    merchant_id           text    NOT NULL,
    merchant_app_id       text    NOT NULL,
    transaction_id        text    NOT NULL,
    status                text    NOT NULL,
    error                 text    NOT NULL,
    late                  boolean NOT NULL,
    code_url              text    NOT NULL,
    prepay_id             text    NOT NULL,
    h5_url                text    NOT NULL,
    credential_expires_at bigint  NOT NULL,
    placing_until         bigint  NOT NULL,
    created_at            bigint  NOT NULL,
    closed_at             bigint  NOT NULL,
    PRIMARY KEY (app_id, id)
);
-- A payer's one wish to switch is one attempt.
CREATE UNIQUE INDEX attempts_payment ON attempts (payment_id, app_id, ordinal);
-- A notification names the account and the trade number, nothing else.
CREATE UNIQUE INDEX attempts_trade_no ON attempts (account_id, trade_no);
-- One provider transaction pays one attempt.
CREATE UNIQUE INDEX attempts_transaction ON attempts (account_id, transaction_id) WHERE transaction_id <> '';

CREATE TABLE refunds (
    app_id            text   NOT NULL,
    id                text   NOT NULL,
    payment_id        text   NOT NULL,
    account_id        text   NOT NULL,
    out_refund_no     text   NOT NULL,
    refund_no         text   NOT NULL,
    channel_refund_id text   NOT NULL,
    trade_no          text   NOT NULL,
    amount            bigint NOT NULL CHECK (amount > 0),
    currency          text   NOT NULL,
    reason            text   NOT NULL,
    status            text   NOT NULL,
    error             text   NOT NULL,
    created_at        bigint NOT NULL,
    updated_at        bigint NOT NULL,
    succeeded_at      bigint NOT NULL,
    sequence          bigint NOT NULL,
    PRIMARY KEY (app_id, created_at, id)
);
CREATE UNIQUE INDEX refunds_id ON refunds (app_id, id);
CREATE UNIQUE INDEX refunds_out_refund_no ON refunds (out_refund_no, app_id);
CREATE UNIQUE INDEX refunds_refund_no ON refunds (account_id, refund_no);
CREATE INDEX refunds_payment ON refunds (payment_id, app_id);

CREATE TABLE events (
    app_id        text   NOT NULL,
    id            text   NOT NULL,
    type          text   NOT NULL,
    resource_type text   NOT NULL,
    resource_id   text   NOT NULL,
    sequence      bigint NOT NULL,
    created_at    bigint NOT NULL,
    object        text   NOT NULL,
    -- Grows in an order in which a reader who has seen a position never misses an earlier one; see dialect.go.
    position      bigint NOT NULL,
    PRIMARY KEY (app_id, position, id)
);
CREATE UNIQUE INDEX events_id ON events (app_id, id);
CREATE UNIQUE INDEX events_sequence ON events (resource_id, sequence, app_id);

-- How far the events of an app have come in the event stream.
CREATE TABLE stream_cursors (
    app_id   text NOT NULL PRIMARY KEY,
    event_id text NOT NULL
);

CREATE TABLE postings (
    app_id     text   NOT NULL,
    source_id  text   NOT NULL,
    kind       text   NOT NULL,
    debit      text   NOT NULL,
    credit     text   NOT NULL,
    amount     bigint NOT NULL CHECK (amount > 0),
    currency   text   NOT NULL,
    created_at bigint NOT NULL,
    -- Money is counted once per source and kind.
    PRIMARY KEY (app_id, source_id, kind)
);

CREATE TABLE notices (
    account_id      text   NOT NULL,
    notification_id text   NOT NULL,
    event_type      text   NOT NULL,
    app_id          text   NOT NULL,
    resource_id     text   NOT NULL,
    verdict         text   NOT NULL,
    reason          text   NOT NULL,
    body            text   NOT NULL,
    received_at     bigint NOT NULL,
    PRIMARY KEY (account_id, notification_id)
);
CREATE INDEX notices_received ON notices (received_at);

CREATE TABLE reviews (
    app_id      text   NOT NULL,
    id          text   NOT NULL,
    account_id  text   NOT NULL,
    kind        text   NOT NULL,
    subject_id  text   NOT NULL,
    summary     text   NOT NULL,
    evidence    text   NOT NULL,
    opened_at   bigint NOT NULL,
    resolved_at bigint NOT NULL,
    resolution  text   NOT NULL,
    note        text   NOT NULL,
    resolved_by text   NOT NULL,
    PRIMARY KEY (app_id, opened_at, id)
);
CREATE UNIQUE INDEX reviews_id ON reviews (app_id, id);
-- One open review per kind and subject, however often its cause repeats.
CREATE UNIQUE INDEX reviews_open ON reviews (subject_id, kind, app_id) WHERE resolved_at = 0;

CREATE TABLE webhook_endpoints (
    app_id         text    NOT NULL,
    id             text    NOT NULL,
    url            text    NOT NULL,
    types          text    NOT NULL, -- ",a,b," or "" for all
    description    text    NOT NULL,
    sealed_secrets text    NOT NULL,
    disabled       boolean NOT NULL,
    disabled_why   text    NOT NULL,
    created_at     bigint  NOT NULL,
    updated_at     bigint  NOT NULL,
    version        bigint  NOT NULL,
    PRIMARY KEY (app_id, id)
);

CREATE TABLE webhooks (
    app_id      text   NOT NULL,
    id          text   NOT NULL,
    endpoint_id text   NOT NULL,
    event_id    text   NOT NULL,
    event_type  text   NOT NULL,
    state       text   NOT NULL,
    round       bigint NOT NULL DEFAULT 0, -- raised by each retry, so that a try of the round before changes nothing
    tries       bigint NOT NULL,
    next_try_at bigint NOT NULL,
    created_at  bigint NOT NULL,
    round_began bigint NOT NULL,
    PRIMARY KEY (app_id, id)
);
CREATE INDEX webhooks_event ON webhooks (event_id, app_id);
CREATE INDEX webhooks_dead ON webhooks (app_id, event_id) WHERE state = 'dead';
CREATE INDEX webhooks_given_up ON webhooks (app_id, endpoint_id, created_at, id) WHERE state = 'dead';

CREATE TABLE webhook_deliveries (
    app_id      text    NOT NULL,
    id          text    NOT NULL,
    webhook_id  text    NOT NULL,
    endpoint_id text    NOT NULL,
    event_id    text    NOT NULL,
    event_type  text    NOT NULL,
    try         bigint  NOT NULL,
    success     boolean NOT NULL,
    status_code bigint  NOT NULL,
    error       text    NOT NULL,
    duration_ms bigint  NOT NULL,
    at          bigint  NOT NULL,
    PRIMARY KEY (app_id, id)
);
CREATE INDEX webhook_deliveries_event ON webhook_deliveries (event_id, app_id, id);
CREATE INDEX webhook_deliveries_endpoint ON webhook_deliveries (endpoint_id, app_id, id);

CREATE TABLE apps (
    id                text    NOT NULL PRIMARY KEY,
    name              text    NOT NULL,
    late_policy       text    NOT NULL,
    require_signature boolean NOT NULL,
    disabled          boolean NOT NULL,
    created_at        bigint  NOT NULL
);

CREATE TABLE api_keys (
    id            text   NOT NULL PRIMARY KEY,
    app_id        text   NOT NULL,
    secret_hash   text   NOT NULL,
    sealed_secret text   NOT NULL,
    created_at    bigint NOT NULL,
    expires_at    bigint NOT NULL,
    revoked_at    bigint NOT NULL
);
CREATE UNIQUE INDEX api_keys_secret_hash ON api_keys (secret_hash);
CREATE INDEX api_keys_app ON api_keys (app_id);

CREATE TABLE accounts (
    id             text    NOT NULL PRIMARY KEY,
    channel        text    NOT NULL,
    settings       text    NOT NULL,
    sealed_secrets text    NOT NULL,
    disabled       boolean NOT NULL,
    updated_at     bigint  NOT NULL
);

-- How many trade numbers of a merchant were handed out to processes, in blocks: a place is given once, used or not.
CREATE TABLE numbers (
    merchant_id text   NOT NULL PRIMARY KEY,
    claimed     bigint NOT NULL
);

CREATE TABLE request_nonces (
    key_id     text   NOT NULL,
    nonce      text   NOT NULL,
    expires_at bigint NOT NULL,
    PRIMARY KEY (key_id, nonce)
);
CREATE INDEX request_nonces_expires ON request_nonces (expires_at);

CREATE TABLE idempotency_keys (
    app_id       text    NOT NULL,
    key          text    NOT NULL,
    request_hash text    NOT NULL,
    locked_until bigint  NOT NULL,
    done         boolean NOT NULL,
    status       bigint  NOT NULL,
    content_type text    NOT NULL,
    location     text    NOT NULL,
    body         text    NOT NULL,
    created_at   bigint  NOT NULL,
    PRIMARY KEY (app_id, key)
);
CREATE INDEX idempotency_keys_created ON idempotency_keys (created_at);

CREATE TABLE keysets (
    id      bigint NOT NULL PRIMARY KEY CHECK (id = 1),
    wrapped text   NOT NULL
);
