// Package milter asks programs beside the mail server what they think of a
// message while it comes in: the side of the mail server in the milter protocol
// (libmilter of Sendmail, version 6).
//
// Start at [New]: a [Chain] belongs to one SMTP connection and asks its filters
// in their order. What the client says (MAIL, RCPT) each of them hears when it is
// said. The message each hears as a whole, as the one before has left it
// ([Chain.Message]).
//
// The protocol is that of github.com/d--j/go-milter. Between it and the network
// stands a guard (guard.go), for it believes what it reads: the guard bounds what
// an answer may take of time and of memory, and ends the connection to a filter
// that says what is no answer.
//
// A filter that fails is asked nothing more in that transaction. What becomes of
// the mail then is its [Filter.OnFailure]; a message is never half filtered and
// stored as if nothing had happened: what the filter had changed until then is
// dropped with it.
package milter
