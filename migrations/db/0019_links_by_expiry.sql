-- What the clock sweeps of one-time links: resets and setups that ran out. Invitations stay, to be sent again.
CREATE INDEX one_time_links_by_expiry ON one_time_links (expires_at) WHERE kind <> 'invite';
