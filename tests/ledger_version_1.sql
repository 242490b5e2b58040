-- The tables and triggers of a ledger of version 1, as that version made them. Never edited.
CREATE TABLE meta (
    "key" VARCHAR NOT NULL,
    value VARCHAR,
    PRIMARY KEY ("key")
);
CREATE TABLE jobs (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    kind VARCHAR NOT NULL,
    status VARCHAR NOT NULL,
    message TEXT,
    meta TEXT NOT NULL,
    created_at VARCHAR NOT NULL,
    finished_at VARCHAR,
    approved_by VARCHAR,
    CHECK (status IN ('draft', 'queued', 'running', 'held', 'complete', 'failed', 'cancelled'))
);
CREATE TRIGGER jobs_moves BEFORE UPDATE OF status ON jobs WHEN OLD.status != NEW.status AND OLD.status || '>' || NEW.status NOT IN ('draft>cancelled', 'draft>queued', 'queued>cancelled', 'queued>failed', 'queued>held', 'queued>running', 'running>cancelled', 'running>complete', 'running>failed', 'running>held', 'held>cancelled', 'held>queued') BEGIN SELECT RAISE(ABORT, 'illegal transition'); END;
CREATE TRIGGER jobs_kept BEFORE DELETE ON jobs BEGIN SELECT RAISE(ABORT, 'nothing is deleted from the ledger'); END;
CREATE TABLE sessions (
    id INTEGER NOT NULL,
    ticket VARCHAR NOT NULL,
    user VARCHAR NOT NULL,
    opened_at VARCHAR NOT NULL,
    seen_at VARCHAR NOT NULL,
    closed_at VARCHAR,
    outcome TEXT,
    error TEXT,
    facts TEXT NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (ticket)
);
CREATE TRIGGER sessions_kept BEFORE DELETE ON sessions BEGIN SELECT RAISE(ABORT, 'nothing is deleted from the ledger'); END;
CREATE TABLE decisions (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "table" VARCHAR NOT NULL,
    "key" TEXT NOT NULL,
    decision TEXT,
    note TEXT,
    "values" TEXT NOT NULL,
    who VARCHAR NOT NULL,
    at VARCHAR NOT NULL
);
CREATE INDEX decisions_key ON decisions ("table", "key");
CREATE TRIGGER decisions_append_only BEFORE UPDATE ON decisions BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER decisions_kept BEFORE DELETE ON decisions BEGIN SELECT RAISE(ABORT, 'nothing is deleted from the ledger'); END;
CREATE TABLE learned (
    "key" VARCHAR NOT NULL,
    value TEXT NOT NULL,
    at VARCHAR NOT NULL,
    PRIMARY KEY ("key")
);
CREATE TABLE job_history (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    job INTEGER NOT NULL,
    "before" VARCHAR,
    "after" VARCHAR NOT NULL,
    at VARCHAR NOT NULL,
    who VARCHAR,
    note TEXT,
    FOREIGN KEY(job) REFERENCES jobs (id)
);
CREATE INDEX ix_job_history_job ON job_history (job);
CREATE TRIGGER job_history_append_only BEFORE UPDATE ON job_history BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER job_history_kept BEFORE DELETE ON job_history BEGIN SELECT RAISE(ABORT, 'nothing is deleted from the ledger'); END;
CREATE TABLE queries (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    job INTEGER NOT NULL,
    position INTEGER NOT NULL,
    name VARCHAR NOT NULL,
    fields TEXT NOT NULL,
    iterate BOOLEAN NOT NULL,
    "table" VARCHAR,
    filter TEXT NOT NULL,
    since VARCHAR,
    status VARCHAR NOT NULL,
    pages INTEGER NOT NULL,
    records INTEGER NOT NULL,
    iterator_id VARCHAR,
    remaining INTEGER,
    CHECK (status IN ('pending', 'running', 'done')),
    FOREIGN KEY(job) REFERENCES jobs (id)
);
CREATE INDEX ix_queries_job ON queries (job);
CREATE TRIGGER queries_moves BEFORE UPDATE OF status ON queries WHEN OLD.status != NEW.status AND OLD.status || '>' || NEW.status NOT IN ('pending>done', 'pending>running', 'running>done', 'running>pending') BEGIN SELECT RAISE(ABORT, 'illegal transition'); END;
CREATE TRIGGER queries_kept BEFORE DELETE ON queries BEGIN SELECT RAISE(ABORT, 'nothing is deleted from the ledger'); END;
CREATE TABLE operations (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "key" VARCHAR NOT NULL,
    job INTEGER NOT NULL,
    current BOOLEAN NOT NULL,
    request VARCHAR NOT NULL,
    record_kind VARCHAR NOT NULL,
    position INTEGER NOT NULL,
    status VARCHAR NOT NULL,
    status_code INTEGER,
    status_message TEXT,
    list_id VARCHAR,
    txn_id VARCHAR,
    edit_sequence VARCHAR,
    fields TEXT NOT NULL,
    expected TEXT,
    depends_on TEXT NOT NULL,
    source_table VARCHAR,
    source_key VARCHAR,
    source VARCHAR,
    account_number VARCHAR,
    customer_full_name VARCHAR,
    txn_date DATE,
    ref_number VARCHAR,
    amount VARCHAR,
    currency VARCHAR,
    CHECK (status IN ('pending', 'sent', 'unknown', 'applied', 'rejected', 'skipped', 'undone')),
    FOREIGN KEY(job) REFERENCES jobs (id)
);
CREATE UNIQUE INDEX operations_once ON operations ("key") WHERE current;
CREATE INDEX operations_order ON operations (job, status, position);
CREATE TRIGGER operations_moves BEFORE UPDATE OF status ON operations WHEN OLD.status != NEW.status AND OLD.status || '>' || NEW.status NOT IN ('pending>sent', 'pending>skipped', 'sent>applied', 'sent>pending', 'sent>rejected', 'sent>unknown', 'unknown>applied', 'unknown>pending', 'unknown>rejected', 'unknown>skipped', 'applied>undone') BEGIN SELECT RAISE(ABORT, 'illegal transition'); END;
CREATE TRIGGER operations_kept BEFORE DELETE ON operations BEGIN SELECT RAISE(ABORT, 'nothing is deleted from the ledger'); END;
CREATE TRIGGER operations_superseded BEFORE UPDATE ON operations WHEN NOT OLD.current BEGIN SELECT RAISE(ABORT, 'an older attempt stays as it ended'); END;
CREATE TABLE message_sets (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    session VARCHAR NOT NULL,
    kind VARCHAR NOT NULL CHECK (kind IN ('write', 'read', 'lookup')),
    set_id VARCHAR,
    text BLOB NOT NULL,
    clears VARCHAR,
    opened_at VARCHAR NOT NULL,
    answered_at VARCHAR,
    abandoned_at VARCHAR,
    inbox_path VARCHAR,
    set_status VARCHAR,
    tries INTEGER NOT NULL,
    FOREIGN KEY(session) REFERENCES sessions (ticket),
    UNIQUE (set_id)
);
CREATE TRIGGER message_sets_kept BEFORE DELETE ON message_sets BEGIN SELECT RAISE(ABORT, 'nothing is deleted from the ledger'); END;
CREATE TRIGGER message_sets_text BEFORE UPDATE OF text, set_id, kind, clears ON message_sets BEGIN SELECT RAISE(ABORT, 'a text handed out never changes'); END;
CREATE TRIGGER message_sets_answer BEFORE UPDATE OF answered_at ON message_sets WHEN OLD.answered_at IS NOT NULL BEGIN SELECT RAISE(ABORT, 'answered already'); END;
CREATE TABLE crosswalk (
    record_kind VARCHAR NOT NULL,
    "key" VARCHAR NOT NULL,
    quickbooks_id VARCHAR NOT NULL,
    origin VARCHAR NOT NULL CHECK (origin IN ('quickbooks', 'billing')),
    edit_sequence VARCHAR,
    ref_number VARCHAR,
    customer_list_id VARCHAR,
    amount VARCHAR,
    operation_key VARCHAR,
    job INTEGER,
    bound_at VARCHAR NOT NULL,
    PRIMARY KEY (record_kind, "key", quickbooks_id),
    FOREIGN KEY(job) REFERENCES jobs (id)
);
CREATE TRIGGER crosswalk_kept BEFORE DELETE ON crosswalk BEGIN SELECT RAISE(ABORT, 'nothing is deleted from the ledger'); END;
CREATE TABLE pages (
    id INTEGER NOT NULL,
    job INTEGER NOT NULL,
    "query" INTEGER,
    path VARCHAR NOT NULL,
    records INTEGER NOT NULL,
    at VARCHAR NOT NULL,
    dropped BOOLEAN NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (job, path),
    FOREIGN KEY(job) REFERENCES jobs (id),
    FOREIGN KEY("query") REFERENCES queries (id)
);
CREATE INDEX ix_pages_job ON pages (job);
CREATE TRIGGER pages_kept BEFORE DELETE ON pages BEGIN SELECT RAISE(ABORT, 'nothing is deleted from the ledger'); END;
CREATE TABLE dependencies (
    operation INTEGER NOT NULL,
    "key" VARCHAR NOT NULL,
    PRIMARY KEY (operation, "key"),
    FOREIGN KEY(operation) REFERENCES operations (id)
);
CREATE TRIGGER dependencies_append_only BEFORE UPDATE ON dependencies BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER dependencies_kept BEFORE DELETE ON dependencies BEGIN SELECT RAISE(ABORT, 'nothing is deleted from the ledger'); END;
CREATE TABLE operation_history (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    operation INTEGER NOT NULL,
    "before" VARCHAR,
    "after" VARCHAR NOT NULL,
    at VARCHAR NOT NULL,
    message_set INTEGER,
    status_code INTEGER,
    message TEXT,
    FOREIGN KEY(operation) REFERENCES operations (id),
    FOREIGN KEY(message_set) REFERENCES message_sets (id)
);
CREATE INDEX ix_operation_history_operation ON operation_history (operation);
CREATE TRIGGER operation_history_append_only BEFORE UPDATE ON operation_history BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER operation_history_kept BEFORE DELETE ON operation_history BEGIN SELECT RAISE(ABORT, 'nothing is deleted from the ledger'); END;
CREATE TABLE set_members (
    message_set INTEGER NOT NULL,
    position INTEGER NOT NULL,
    operation INTEGER,
    "query" INTEGER,
    PRIMARY KEY (message_set, position),
    FOREIGN KEY(message_set) REFERENCES message_sets (id),
    FOREIGN KEY(operation) REFERENCES operations (id),
    FOREIGN KEY("query") REFERENCES queries (id)
);
CREATE INDEX ix_set_members_query ON set_members ("query");
CREATE INDEX ix_set_members_operation ON set_members (operation);
CREATE TRIGGER set_members_append_only BEFORE UPDATE ON set_members BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER set_members_kept BEFORE DELETE ON set_members BEGIN SELECT RAISE(ABORT, 'nothing is deleted from the ledger'); END;
