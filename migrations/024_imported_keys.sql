-- 024_imported_keys.sql: public keys of an earlier service, whose licences stay valid.

-- When the key was imported. NULL: it is a key of this service alone. Licences of an imported key may
-- lack a kid and the claims that the earlier service did not write.
ALTER TABLE signing_keys ADD COLUMN imported_at timestamptz(3);
