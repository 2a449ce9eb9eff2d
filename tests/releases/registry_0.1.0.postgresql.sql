CREATE TABLE services (
    service_id VARCHAR(200) NOT NULL,
    task_type VARCHAR(64) NOT NULL,
    protocol VARCHAR(8) NOT NULL,
    url VARCHAR(400) NOT NULL,
    model_name VARCHAR(200) NOT NULL,
    model_version VARCHAR(64) NOT NULL,
    credential_header VARCHAR(100) NOT NULL,
    credential VARCHAR,
    published BOOLEAN NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (service_id)
);

INSERT INTO services VALUES
    ('asr-fast', 'asr', 'http', '127.0.0.1:8000', 'fast', '', 'authorization', NULL, true, '2025-11-24 16:00:00+00', '2025-11-24 16:00:00+00'),
    ('asr-wide', 'asr', 'grpc', '127.0.0.1:8001', 'wide', '2', 'authorization',
     'gAAAAABpJIEA4w66plMIvUyUCS04MEHCrv9My0aFYKqSGSDK5K5ZeTUCaQFo38Y4iDWDby4ez5f5aiY2D6DQzYKUfLC8tWUjywXbS18p-xZhSKqWb3gGS8M=',
     false, '2025-11-24 16:00:00+00', '2025-11-24 16:00:00+00');
