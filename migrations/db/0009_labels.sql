-- Labels limit what is retrieved for whom: an article with labels is read only for contacts that carry one of them. JSON lists.
ALTER TABLE articles ADD COLUMN labels TEXT NOT NULL DEFAULT '[]';
ALTER TABLE contacts ADD COLUMN labels TEXT NOT NULL DEFAULT '[]';
