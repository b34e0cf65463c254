package schema

import (
	"time"

	"github.com/zclconf/go-cty/cty"
)

// queueBlock says where the mail is that is on its way elsewhere, and how it goes.
var queueBlock = NestedBlock{Type: "queue",
	Doc: "The mail on its way to other servers: where it is kept, and how it is handed on. Left out: as it is, and as the defaults say. Everything but `path` is for the embedded server alone. " +
		"See [the queue](../mail-server.md#the-queue).",
	Attributes: []Attribute{
		{Name: "path", Sets: []string{"location.path"}, Type: cty.String, Form: FormPath,
			Doc: "Directory on the machine of the server that takes mail, which is made where it is missing. Nothing else may lie in it. Another path moves all of it there. " +
				"A relative path starts from the directory of the configuration. Left out: where it is. The embedded server has its queue in its store."},
		{Name: "delay_warning", Sets: []string{"sending.delay_warning"}, Type: cty.String, Form: FormDuration,
			Doc: "How long a message waits until its sender is told that it does (RFC 3464), once. `\"0s\"`: nobody is told. Left out: `\"4h\"`."},
		{Name: "concurrency", Sets: []string{"sending.concurrency"}, Type: cty.Number, Form: formSending,
			Doc: "Deliveries at once, to all servers. Left out: 50."},
		{Name: "concurrency_per_destination", Sets: []string{"sending.concurrency_per_destination"}, Type: cty.Number, Form: formSending,
			Doc: "Deliveries at once to one domain, or to one smarthost. Left out: 5."},
		{Name: "verified_tls", Sets: []string{"sending.verified_tls"}, Type: cty.List(cty.String), Form: FormDomain,
			Doc: "Domains whose mail goes only over TLS, and only to a server with a good certificate for its name in the MX record, whatever the domain says itself. Where it publishes TLSA records (DANE), they count in place of that. " +
				"Mail for them waits rather than to go otherwise. Left out: none."},
	}}

var sendingAttributes = []KindAttribute{
	{Name: "owner", Type: cty.String, Immutable: true, Doc: "Label of the server block."},
	{Name: "delay_warning", Type: cty.Number, Doc: "How long a message waits until its sender is told, in seconds; 0: nobody is told."},
	{Name: "concurrency", Type: cty.Number, Doc: "Deliveries at once."},
	{Name: "concurrency_per_destination", Type: cty.Number, Doc: "Deliveries at once to one domain or smarthost."},
	{Name: "verified_tls", Type: cty.List(cty.String), Doc: "Domains whose mail goes only to servers with a good certificate. Sorted."},
}

// SendingSettings are the attributes of a block queue that say how mail is handed on.
var SendingSettings = []string{"delay_warning", "concurrency", "concurrency_per_destination", "verified_tls"}

// What a server does that says nothing of it.
const (
	DefaultDelayWarning              = 4 * time.Hour
	DefaultConcurrency               = 50
	DefaultConcurrencyPerDestination = 5
)

// SendingRange is what the numbers of deliveries may be.
var SendingRange = LimitRange{1, 1000}

var formSending = integer(SendingRange.Least, SendingRange.Most)
