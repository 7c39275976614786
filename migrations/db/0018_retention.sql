-- So many days after the last thing was said a conversation is erased; null keeps it until somebody erases it.
ALTER TABLE sites ADD COLUMN retention_days INTEGER DEFAULT 90;
