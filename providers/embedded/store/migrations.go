package store

import (
	"context"
	"database/sql"
	"fmt"
)

// Each migration brings the tables from the version of its index to the next
// one. What has been released is never changed; new ones go to the end.
//
// Times are microseconds since 1970, 0 for none.
var migrations = [][]string{
	{
		// Numbers that are never used again: ids, UIDVALIDITYs.
		`CREATE TABLE sequence (
			name TEXT PRIMARY KEY,
			value BIGINT NOT NULL
		) {clustered}`,

		// What is declared and has no data of its own: settings, mail domains,
		// routes, listeners, zones, record sets. attrs is JSON in canonical form;
		// parent is the zone of a record set.
		`CREATE TABLE resource (
			kind TEXT NOT NULL,
			key TEXT NOT NULL,
			parent TEXT NOT NULL,
			owner TEXT NOT NULL,
			lineage TEXT NOT NULL,
			revision TEXT NOT NULL,
			attrs TEXT NOT NULL,
			PRIMARY KEY (kind, key)
		) {clustered}`,
		`CREATE INDEX resource_parent ON resource (kind, parent)`,

		// Whom a route leads to, to find the routes of an address.
		`CREATE TABLE route_member (
			member TEXT NOT NULL,
			address TEXT NOT NULL,
			PRIMARY KEY (member, address)
		) {clustered}`,
		`CREATE INDEX route_member_address ON route_member (address)`,

		// Serials outlive their zones: a zone that comes back goes on counting.
		`CREATE TABLE zone_serial (
			zone TEXT PRIMARY KEY,
			serial BIGINT NOT NULL
		) {clustered}`,

		`CREATE TABLE dkim_key (
			key TEXT PRIMARY KEY,
			owner TEXT NOT NULL,
			lineage TEXT NOT NULL,
			revision TEXT NOT NULL,
			domain TEXT NOT NULL,
			selector TEXT NOT NULL,
			algorithm TEXT NOT NULL,
			bits INTEGER NOT NULL,
			txt TEXT NOT NULL,
			private {bytes} NOT NULL
		)`,
		`CREATE INDEX dkim_key_domain ON dkim_key (domain)`,

		// closed_at is set for an account that was deleted and whose mail is
		// kept until purge_at. folders: whether it has got its mailboxes yet.
		`CREATE TABLE account (
			id {id},
			address TEXT NOT NULL UNIQUE,
			owner TEXT NOT NULL,
			lineage TEXT NOT NULL,
			revision TEXT NOT NULL,
			hashes TEXT NOT NULL,
			quota BIGINT NOT NULL,
			imap BOOLEAN NOT NULL,
			pop3 BOOLEAN NOT NULL,
			mail TEXT NOT NULL,
			folders BOOLEAN NOT NULL,
			closed_at BIGINT NOT NULL,
			purge_at BIGINT NOT NULL,
			messages BIGINT NOT NULL,
			bytes BIGINT NOT NULL
		)`,
		`CREATE INDEX account_closed ON account (purge_at) WHERE purge_at > 0`,

		`CREATE TABLE mailbox (
			id {id},
			account BIGINT NOT NULL REFERENCES account (id),
			name TEXT NOT NULL,
			special_use TEXT NOT NULL,
			uidvalidity BIGINT NOT NULL,
			uidnext BIGINT NOT NULL,
			modseq BIGINT NOT NULL,
			messages BIGINT NOT NULL,
			unseen BIGINT NOT NULL,
			deleted BIGINT NOT NULL,
			size BIGINT NOT NULL,
			UNIQUE (account, name)
		)`,

		`CREATE TABLE subscription (
			account BIGINT NOT NULL REFERENCES account (id),
			name TEXT NOT NULL,
			PRIMARY KEY (account, name)
		) {clustered}`,

		// The first piece of a body lies with it, the others in body_chunk. refs
		// counts the messages and queue entries that share it.
		`CREATE TABLE body (
			id {id},
			refs BIGINT NOT NULL,
			size BIGINT NOT NULL,
			data {bytes} NOT NULL
		)`,
		`CREATE TABLE body_chunk (
			body BIGINT NOT NULL REFERENCES body (id),
			n BIGINT NOT NULL,
			data {bytes} NOT NULL,
			PRIMARY KEY (body, n)
		)`,

		// flags are the system flags as bits, keywords the others, by blanks.
		`CREATE TABLE message (
			mailbox BIGINT NOT NULL REFERENCES mailbox (id),
			uid BIGINT NOT NULL,
			modseq BIGINT NOT NULL,
			body BIGINT NOT NULL,
			size BIGINT NOT NULL,
			flags INTEGER NOT NULL,
			keywords TEXT NOT NULL,
			internal BIGINT NOT NULL,
			PRIMARY KEY (mailbox, uid)
		) {clustered}`,
		`CREATE INDEX message_modseq ON message (mailbox, modseq)`,

		// Runs of expunged UIDs (RFC 7162 §3.2.7).
		`CREATE TABLE vanished (
			mailbox BIGINT NOT NULL REFERENCES mailbox (id),
			modseq BIGINT NOT NULL,
			first_uid BIGINT NOT NULL,
			last_uid BIGINT NOT NULL,
			PRIMARY KEY (mailbox, modseq, first_uid)
		) {clustered}`,

		`CREATE TABLE queue (
			id {id},
			envelope TEXT NOT NULL,
			sender TEXT NOT NULL,
			recipient TEXT NOT NULL,
			body BIGINT NOT NULL,
			size BIGINT NOT NULL,
			created_at BIGINT NOT NULL,
			next_at BIGINT NOT NULL,
			attempts INTEGER NOT NULL,
			last_error TEXT NOT NULL,
			held BOOLEAN NOT NULL
		)`,
		`CREATE INDEX queue_due ON queue (next_at)`,
	},
	{
		// Keys that sign zones. private is PKCS #8.
		`CREATE TABLE zone_key (
			zone TEXT NOT NULL,
			tag INTEGER NOT NULL,
			role TEXT NOT NULL,
			state TEXT NOT NULL,
			created_at BIGINT NOT NULL,
			since BIGINT NOT NULL,
			idle_at BIGINT NOT NULL,
			private {bytes} NOT NULL,
			PRIMARY KEY (zone, tag)
		) {clustered}`,

		// The signatures of a zone as it was published last: of each record set the
		// digest of what was signed, and the RRSIG records.
		`CREATE TABLE zone_signature (
			zone TEXT NOT NULL,
			name TEXT NOT NULL,
			type INTEGER NOT NULL,
			digest {bytes} NOT NULL,
			signatures {bytes} NOT NULL,
			PRIMARY KEY (zone, name, type)
		) {clustered}`,

		// Up to which serial a signed zone was published, and whether a successor
		// of a key was asked for.
		`CREATE TABLE zone_signing (
			zone TEXT PRIMARY KEY,
			serial BIGINT NOT NULL,
			roll_ksk BOOLEAN NOT NULL,
			roll_zsk BOOLEAN NOT NULL
		) {clustered}`,
	},
	{
		// What senders ask of the servers on the way of a message: to be told
		// (RFC 3461), to be sent over TLS (RFC 8689). warned: the sender knows that
		// the message waits.
		`ALTER TABLE queue ADD COLUMN ret TEXT NOT NULL DEFAULT ''`,
		`ALTER TABLE queue ADD COLUMN envid TEXT NOT NULL DEFAULT ''`,
		`ALTER TABLE queue ADD COLUMN require_tls BOOLEAN NOT NULL DEFAULT FALSE`,
		`ALTER TABLE queue ADD COLUMN notify TEXT NOT NULL DEFAULT ''`,
		`ALTER TABLE queue ADD COLUMN orcpt TEXT NOT NULL DEFAULT ''`,
		`ALTER TABLE queue ADD COLUMN warned BOOLEAN NOT NULL DEFAULT FALSE`,
	},
	{
		// sieve is the script that is declared; script names the one of the user's
		// own that is active, where none is declared.
		`ALTER TABLE account ADD COLUMN sieve TEXT NOT NULL DEFAULT ''`,
		`ALTER TABLE account ADD COLUMN script TEXT NOT NULL DEFAULT ''`,

		// Scripts that users have put here themselves.
		`CREATE TABLE script (
			account BIGINT NOT NULL REFERENCES account (id),
			name TEXT NOT NULL,
			text TEXT NOT NULL,
			PRIMARY KEY (account, name)
		) {clustered}`,

		// Whom an account has told something that is said once in a while, until
		// when that is enough.
		`CREATE TABLE told (
			account BIGINT NOT NULL REFERENCES account (id),
			what TEXT NOT NULL,
			until_at BIGINT NOT NULL,
			PRIMARY KEY (account, what)
		) {clustered}`,
		`CREATE INDEX told_until ON told (until_at)`,
	},
	{
		// What other domains say about TLS with their mail servers (MTA-STS).
		`CREATE TABLE sts_policy (
			domain TEXT PRIMARY KEY,
			id TEXT NOT NULL,
			text TEXT NOT NULL,
			fetched_at BIGINT NOT NULL,
			until_at BIGINT NOT NULL
		) {clustered}`,

		// How connections to the mail servers of others were protected (TLS-RPT), by
		// day. policy and failure are JSON; failure is empty for those that were as
		// they should be.
		`CREATE TABLE tls_result (
			day TEXT NOT NULL,
			domain TEXT NOT NULL,
			policy TEXT NOT NULL,
			failure TEXT NOT NULL,
			sessions BIGINT NOT NULL,
			PRIMARY KEY (day, domain, policy, failure)
		) {clustered}`,
	},
	{
		// What is made here and never leaves: the key of rewritten senders.
		`CREATE TABLE secret (
			name TEXT PRIMARY KEY,
			value {bytes} NOT NULL
		)`,
	},
	{
		// saved is when a message came into its mailbox; 0 for those that were there
		// before the column. warned is the threshold of the quota that the user
		// knows to be passed, in percent.
		`ALTER TABLE message ADD COLUMN saved BIGINT NOT NULL DEFAULT 0`,
		`ALTER TABLE account ADD COLUMN warned INTEGER NOT NULL DEFAULT 0`,
	},
	{
		// What clients note about a mailbox, or with mailbox 0 about the server
		// (RFC 5464). account 0 has what all see who may see the mailbox.
		`CREATE TABLE metadata (
			mailbox BIGINT NOT NULL,
			account BIGINT NOT NULL,
			entry TEXT NOT NULL,
			value {bytes} NOT NULL,
			PRIMARY KEY (mailbox, account, entry)
		) {clustered}`,
		`CREATE INDEX metadata_account ON metadata (account)`,
	},
	{
		// Who has which rights on a mailbox beside its owner (RFC 4314), as users have
		// said.
		`CREATE TABLE acl (
			mailbox BIGINT NOT NULL REFERENCES mailbox (id),
			identifier TEXT NOT NULL,
			rights TEXT NOT NULL,
			PRIMARY KEY (mailbox, identifier)
		) {clustered}`,
		`CREATE INDEX acl_identifier ON acl (identifier)`,

		// And on all mailboxes of an account, as is declared.
		`CREATE TABLE share (
			address TEXT NOT NULL,
			identifier TEXT NOT NULL,
			rights TEXT NOT NULL,
			PRIMARY KEY (address, identifier)
		) {clustered}`,
		`CREATE INDEX share_identifier ON share (identifier)`,
	},
	{
		// Senders that were put off, or came again (passed is 1): by the network of
		// their client, their address and the recipient's.
		`CREATE TABLE greylist (
			network TEXT NOT NULL,
			sender TEXT NOT NULL,
			recipient TEXT NOT NULL,
			first_at BIGINT NOT NULL,
			last_at BIGINT NOT NULL,
			passed INTEGER NOT NULL,
			PRIMARY KEY (network, sender, recipient)
		) {clustered}`,
		`CREATE INDEX greylist_last ON greylist (last_at)`,

		// How many senders of a network came again.
		`CREATE TABLE greylist_network (
			network TEXT PRIMARY KEY,
			good INTEGER NOT NULL,
			last_at BIGINT NOT NULL
		) {clustered}`,
	},
	sendingTables,
	appPasswordTables,
}

// migrate brings the tables to the newest version, in one transaction.
func migrate(ctx context.Context, d dialect, c *sql.Conn) (err error) {
	if _, err := c.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)`); err != nil {
		return fmt.Errorf("create tables: %w", err)
	}
	from, err := schemaVersion(ctx, c)
	if err != nil || from == len(migrations) {
		return err
	}
	tx, err := c.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("migrate the store: %w", err)
	}
	defer tx.Rollback() // after Commit it does nothing
	for v := from; v < len(migrations); v++ {
		for _, q := range migrations[v] {
			if _, err := tx.ExecContext(ctx, d.words.Replace(q)); err != nil {
				return fmt.Errorf("migrate the store to version %d: %w", v+1, err)
			}
		}
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM schema_version`); err != nil {
		return fmt.Errorf("migrate the store: %w", err)
	}
	if _, err := tx.ExecContext(ctx, d.query(`INSERT INTO schema_version (version) VALUES (?)`), len(migrations)); err != nil {
		return fmt.Errorf("migrate the store: %w", err)
	}
	return tx.Commit()
}

// schemaVersion reads the version of the tables and refuses one from the future.
func schemaVersion(ctx context.Context, c *sql.Conn) (int, error) {
	var v int
	if err := c.QueryRowContext(ctx, `SELECT COALESCE(MAX(version), 0) FROM schema_version`).Scan(&v); err != nil {
		return 0, fmt.Errorf("read the version of the store: %w", err)
	}
	if v > len(migrations) {
		return 0, fmt.Errorf("the store has version %d of its tables; this mailform knows %d at most: use a newer one", v, len(migrations))
	}
	return v, nil
}
