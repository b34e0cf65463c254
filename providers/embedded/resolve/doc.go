// Package resolve asks the DNS on behalf of the mail server: which addresses a
// sender's policy names, where mail for a domain goes, whether a client is on a
// list.
//
// A [Resolver] is a stub: it asks recursive resolvers, those of the system or
// those that it is told, keeps what they say for as long as they say it holds,
// and asks one question once however many want to know. It tells names that do
// not exist from resolvers that do not answer, since mail waits for the one and
// is refused for the other.
//
// It asks for DNSSEC's verdict (the AD bit, RFC 6840 §5.7), and hands on what it
// is told: [Answer.Authentic] can be relied on as far as the way to the resolver
// can. It does not validate signatures itself.
//
// Start at [New] and [Resolver.Query]. The Lookup methods have the signatures and
// the errors (*net.DNSError) of net.Resolver, for libraries that take one.
package resolve
