-- How a tenant wants things done. The webhooks' secret is kept as it is: a signature cannot be checked with a hash of it.

ALTER TABLE tenant ADD COLUMN conversation_text INTEGER NOT NULL DEFAULT 0 CHECK (conversation_text IN (0, 1));

-- Days for which closed conversations are kept; without end when absent.
ALTER TABLE tenant ADD COLUMN conversation_days INTEGER CHECK (conversation_days BETWEEN 1 AND 36500);

ALTER TABLE tenant ADD COLUMN iadvize_secret TEXT;
