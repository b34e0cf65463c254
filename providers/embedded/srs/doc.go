// Package srs rewrites the senders of forwarded mail (Sender Rewriting Scheme, as
// libsrs2 and postsrsd write it), so that the server that receives it finds by SPF
// that we may send it, and so that its bounces come back here and go on to the
// sender from here:
//
//	bob@remote.example           forwarded by example.com:
//	SRS0=HHHH=TT=remote.example=bob@example.com
//	the same, forwarded again by example.net:
//	SRS1=HHHH=example.com==HHHH=TT=remote.example=bob@example.net
//
// TT is the day, HHHH a code that only we can make: nobody uses the server to send
// bounces to whom he likes. An address is good for [Lifetime].
//
// Start at [Scheme.Forward] and [Scheme.Reverse].
package srs
