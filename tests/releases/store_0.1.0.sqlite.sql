CREATE TABLE merged_days (
    day INTEGER NOT NULL,
    PRIMARY KEY (day)
);

CREATE TABLE phases (
    experiment TEXT NOT NULL,
    phase TEXT NOT NULL,
    first_seen_ns BIGINT NOT NULL,
    weights TEXT DEFAULT '' NOT NULL,
    metadata TEXT DEFAULT '' NOT NULL,
    definition TEXT DEFAULT '' NOT NULL,
    bucketing TEXT DEFAULT '' NOT NULL,
    PRIMARY KEY (experiment, phase)
);

CREATE TABLE series (
    id INTEGER NOT NULL,
    measurement TEXT NOT NULL,
    experiment TEXT DEFAULT '' NOT NULL,
    phase TEXT DEFAULT '' NOT NULL,
    variant TEXT DEFAULT '' NOT NULL,
    served TEXT DEFAULT '' NOT NULL,
    task_type TEXT DEFAULT '' NOT NULL,
    language TEXT DEFAULT '' NOT NULL,
    reason TEXT DEFAULT '' NOT NULL,
    error_code TEXT DEFAULT '' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT series_tags UNIQUE (measurement, experiment, phase, variant, served, task_type, language, reason, error_code)
);

CREATE TABLE store_about (
    "key" TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY ("key")
);

CREATE TABLE day_values (
    series_id INTEGER NOT NULL,
    day INTEGER NOT NULL,
    field TEXT NOT NULL,
    value DOUBLE NOT NULL,
    PRIMARY KEY (series_id, day, field),
    FOREIGN KEY(series_id) REFERENCES series (id)
)
 WITHOUT ROWID;

CREATE TABLE windows (
    series_id INTEGER NOT NULL,
    time_ns BIGINT NOT NULL,
    field TEXT NOT NULL,
    value DOUBLE NOT NULL,
    PRIMARY KEY (series_id, time_ns, field),
    FOREIGN KEY(series_id) REFERENCES series (id)
)
 WITHOUT ROWID;

INSERT INTO store_about VALUES ('id', '3f0c'), ('schema', '1');

INSERT INTO series (id, measurement, experiment, phase, variant, served, task_type, language) VALUES
    (1, 'inference_light', 'e', 'p', 'control', 'control', 'asr', 'hi'),
    (2, 'inference_light', 'e', 'p', 'treatment', 'treatment', 'asr', 'hi');

INSERT INTO windows VALUES
    (1, 1764000000000000001, 'requests', 40), (1, 1764000000000000001, 'exposures', 40),
    (2, 1764000000000000001, 'requests', 60), (2, 1764000000000000001, 'errors', 3);

INSERT INTO phases VALUES ('e', 'p', 1764000000000000000, '{"control": 40}', '{}', '{}', 'v3');
