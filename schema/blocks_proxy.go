package schema

import "github.com/zclconf/go-cty/cty"

// proxyBlock says who may speak for the clients of a server.
var proxyBlock = NestedBlock{Type: "proxy_protocol",
	Doc: "Proxies that clients come through, as HAProxy, which say in front of each connection whose it is (the PROXY protocol, versions 1 and 2). It is about all services but `metrics`, also those with TLS from the first byte. " +
		"Left out: there are none.",
	Attributes: []Attribute{
		{Name: "from", Sets: []string{"proxy.from"}, Type: cty.List(cty.String), Required: true, NonEmpty: true, Form: FormNetwork,
			Doc: "Addresses of the proxies, or their networks. What they say is believed: limits, logs and SPF are about the clients. A connection of theirs that does not say whose it is, is closed. What others say is none of it."},
	}}

var proxyAttributes = []KindAttribute{
	{Name: "owner", Type: cty.String, Immutable: true, Doc: "Label of the server block."},
	{Name: "from", Type: cty.List(cty.String), Doc: "Networks of proxies that say whose each connection is, as 192.0.2.0/24. Sorted."},
}
