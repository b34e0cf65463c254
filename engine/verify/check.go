package verify

// A Check is one thing that is looked at.
type Check struct {
	// ID is what the check is called: "record-served".
	ID string
	// Doc says what holds where it passes.
	Doc string
	// RFC is where that is said: "RFC 5321 §4.5.1".
	RFC string
}

// The checks.
var (
	zoneAnswers  = &Check{"zone-answers", "Each name server of the zone answers for it with authority.", "RFC 1034 §4.3.1"}
	zoneSerial   = &Check{"zone-serial", "All name servers of the zone have the same serial.", "RFC 1912 §2.2"}
	recordServed = &Check{"record-served", "Each declared record set is served as it is declared.", "RFC 1034 §3.6"}
	propagation  = &Check{"propagation", "The resolvers that were named answer as the name servers do.", "RFC 1034 §5"}
	dnssec       = &Check{"dnssec", "A zone that is to be signed has signatures that hold now, and the parent's DS fits.", "RFC 4035 §5"}

	spfCheck    = &Check{"spf", "The domain has one SPF policy, and it lets the domain's own servers send.", "RFC 7208 §4"}
	dkimCheck   = &Check{"dkim", "The key that signs is the one that is published.", "RFC 6376 §3.6"}
	dmarcCheck  = &Check{"dmarc", "The domain has one DMARC policy that can be read.", "RFC 7489 §6.6.3"}
	tlsRPTCheck = &Check{"tls-rpt", "What says where reports on TLS go can be read.", "RFC 8460 §3"}
	mtaSTSCheck = &Check{"mta-sts", "The MTA-STS policy can be fetched, and names all MX hosts.", "RFC 8461 §3"}
	daneCheck   = &Check{"dane", "The TLSA records of an MX host fit the certificate that it shows.", "RFC 7672 §3"}
	ptrCheck    = &Check{"ptr", "The server's addresses lead to its name, and that back to them.", "RFC 1912 §2.1"}
	blacklist   = &Check{"blacklist", "The server's addresses are on none of the lists that were named.", "RFC 5782 §2"}

	greeting    = &Check{"greeting", "The service answers, by the name of the server.", "RFC 5321 §4.2"}
	starttls    = &Check{"tls", "TLS 1.2 or later can be had.", "RFC 8314 §3"}
	certificate = &Check{"certificate", "The certificate is for the name of the server, in its time, and of an authority that is believed.", "RFC 9525 §6"}
	clearAuth   = &Check{"clear-auth", "Nobody is asked for a password before TLS.", "RFC 8314 §4"}
	relay       = &Check{"relay", "Mail from strangers to strangers is refused, however it is addressed.", "RFC 2505 §2.1"}
	postmaster  = &Check{"postmaster", "Mail for postmaster is accepted at every domain.", "RFC 5321 §4.5.1"}
	recipients  = &Check{"recipients", "Mail for each user and alias is accepted, for disabled ones and for nobody it is refused.", "RFC 5321 §3.3"}

	smuggling  = &Check{"smuggling", "Only CR LF . CR LF ends a message.", "RFC 5321 §4.1.1.4"}
	messageIn  = &Check{"message-in", "A message is accepted, and is in the mailbox.", "RFC 5321 §4.5.1"}
	messageOut = &Check{"message-out", "That message can be read by each protocol that the user has, and by no other.", "RFC 9051 §6.3.2"}
	submission = &Check{"submission", "The user can hand in mail.", "RFC 6409 §4.3"}
)

// Checks are all checks, in the order in which they are documented.
func Checks() []*Check {
	return []*Check{
		zoneAnswers, zoneSerial, recordServed, propagation, dnssec,
		spfCheck, dkimCheck, dmarcCheck, tlsRPTCheck, mtaSTSCheck, daneCheck, ptrCheck, blacklist,
		greeting, starttls, certificate, clearAuth, relay, postmaster, recipients,
		smuggling, messageIn, messageOut, submission,
	}
}
