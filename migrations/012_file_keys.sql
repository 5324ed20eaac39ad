-- 012_file_keys.sql: what proves who wrote a usage file.
--
-- The public half of a key pair that follows from the API key. Usage files were signed under `digest`
-- before, so that a copy of this table was enough to write one. NULL for operators, and for keys of
-- before this migration until they are presented again.

ALTER TABLE api_keys ADD COLUMN file_key bytea CHECK (octet_length(file_key) = 32);
