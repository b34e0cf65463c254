package schema

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// ZonePlaceholder stands for the name of a zone in paths and commands.
const ZonePlaceholder = "{zone}"

// Forms of the providers of zones.
var (
	formZoneFile = stringForm("a path with "+ZonePlaceholder,
		"`"+ZonePlaceholder+"` stands for the name of the zone, without a dot at its end.", parseZoneFile)
	formFileMode = stringForm("a file mode",
		"Octal digits, as `chmod` takes them: `\"0640\"`.", ParseFileMode)
	FormHTTP = stringForm("an HTTP URL",
		"`https://dns.example.com:8081`, or `http://` for an address of this machine or of a network that nobody else is in.", ParseHTTP)
)

func parseZoneFile(s string) (string, error) {
	switch rest := strings.Replace(s, ZonePlaceholder, "zone", 1); {
	case rest == s:
		return "", fmt.Errorf("it has no %s, so that all zones would be in one file", ZonePlaceholder)
	case strings.ContainsAny(rest, "{}"):
		return "", fmt.Errorf("%s can stand there once, and other braces mean nothing", ZonePlaceholder)
	case !fs.ValidPath(rest):
		return "", errors.New("it has to lie in the directory, without . and .. as parts")
	}
	return s, nil
}

// ParseFileMode reads the permissions of a file in octal digits. Whoever writes
// zone files can read them.
func ParseFileMode(s string) (fs.FileMode, error) {
	n, err := strconv.ParseUint(s, 8, 12)
	switch {
	case err != nil:
		return 0, errors.New("it is not three or four octal digits")
	case n > 0o777:
		return 0, errors.New("it can be no more than 0777")
	case n&0o600 != 0o600:
		return 0, errors.New("the owner has to be able to read and write")
	case n&0o002 != 0:
		return 0, errors.New("everybody could write")
	}
	return fs.FileMode(n), nil
}

// ParseHTTP reads the URL of an HTTP server, without a path but /.
func ParseHTTP(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return nil, errors.New("it is no URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("it has to begin with https:// or http://")
	case u.Host == "" || u.Hostname() == "":
		return nil, errors.New("it names no host")
	case u.User != nil:
		return nil, errors.New("it holds a user name or password, which has no place there")
	case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("it ends with the host and the port: what comes after them is the provider's own")
	}
	u.Path = ""
	return u, nil
}

var zonefileProvider = &BlockType{
	Type:  "provider",
	Label: "zonefile",
	Doc: "Zone files on this machine, for any name server that reads them: NSD, BIND, Knot, CoreDNS. A file is written whole and put in its place in " +
		"one go, and only if what a plan changes is still there as the plan saw it. What others write into a file is seen and left alone. " +
		"See [name servers](../dns-servers.md#zone-files).",
	Example: `provider "zonefile" {
  directory = "/etc/nsd/zones"
  reload    = ["nsd-control", "reload", "{zone}"]
}`,
	Attributes: []Attribute{
		aliasAttribute,
		{Name: "directory", Type: cty.String, Required: true, Form: FormPath,
			Doc: "Directory of the files. It has to be there. A relative path starts from the directory of the configuration."},
		{Name: "file", Type: cty.String, Default: cty.StringVal(ZonePlaceholder + ".zone"), Form: formZoneFile,
			Doc: "Path of the file of a zone, below the directory. Letters, digits, `-`, `_` and dots of its name stand as they are, others as `%` and two digits: `0%2F25.2.0.192.in-addr.arpa.zone`."},
		{Name: "serial", Type: cty.String, Default: cty.StringVal("increment"), Form: oneOf("increment", "date", "unixtime"),
			Doc: "What the serial of a zone becomes when it changes: one more; the day in UTC with a number of two digits, `2026112501`; or the seconds since 1970. It always grows, also where the clock or the file says otherwise."},
		{Name: "mode", Type: cty.String, Default: cty.StringVal("0644"), Form: formFileMode,
			Doc: "Permissions of the files. Their owner stays who it is."},
		{Name: "reload", Type: cty.List(cty.String), NonEmpty: true,
			Doc: "A program and its arguments that have the name server read a file again, run without a shell after each change: `[\"rndc\", \"reload\", \"{zone}\"]`. `{zone}` stands for the name of the zone; " +
				"without it the program is run once for all zones that change together. Left out: the server finds out by itself."},
		{Name: "reload_timeout", Type: cty.String, Default: cty.StringVal("30s"), Form: FormDuration,
			Doc: "How long that program may take before it is ended and counts as failed."},
		{Name: "zones", Type: cty.List(cty.String), Form: FormDomain,
			Doc: "Zones that `mailform import` looks at although no block speaks of them. Left out: those that are declared; where nothing is, all that there are."},
	},
}

var powerdnsProvider = &BlockType{
	Type:  "provider",
	Label: "powerdns",
	Doc: "PowerDNS Authoritative Server, by its HTTP API. Zones are read as a whole, and what a plan changes in a zone is one request, which PowerDNS carries out in one transaction. " +
		"The API has no conditions: mailform reads right before it writes, refuses what is no longer as the plan saw it, and reads again afterwards. " +
		"See [name servers](../dns-servers.md#powerdns).",
	Example: `provider "powerdns" {
  url     = "http://127.0.0.1:8081"
  api_key = var.powerdns_api_key
}`,
	Attributes: []Attribute{
		aliasAttribute,
		{Name: "url", Type: cty.String, Required: true, Form: FormHTTP,
			Doc: "Where PowerDNS's web server listens (its settings `webserver-address` and `webserver-port`), or what stands before it with TLS."},
		{Name: "api_key", Type: cty.String, Required: true, Sensitive: true,
			Doc: "The API key (PowerDNS's setting `api-key`). It is stored nowhere."},
		{Name: "server_id", Type: cty.String, Default: cty.StringVal("localhost"), Form: FormIdentifier,
			Doc: "Name of the server in the API. It is `localhost` unless something stands before PowerDNS that speaks for several."},
		{Name: "zone_kind", Type: cty.String, Default: cty.StringVal("Native"), Form: oneOf("Native", "Master"),
			Doc: "Kind of zones that are made: `\"Native\"`, where PowerDNS's database is copied to the other servers, or `\"Master\"`, where they are told of changes and transfer the zone. Zones that are there keep theirs."},
		{Name: "dnssec", Type: cty.Bool, Default: cty.False,
			Doc: "Whether PowerDNS signs the zones that are made, with keys of its own. Zones that are there stay as they are."},
		{Name: "ca_file", Type: cty.String, Form: FormPath,
			Doc: "PEM file with the authorities that are believed. A relative path starts from the directory of the configuration. Left out: those of the machine."},
		{Name: "timeout", Type: cty.String, Default: cty.StringVal("30s"), Form: FormDuration,
			Doc: "How long one request may take."},
		{Name: "zones", Type: cty.List(cty.String), Form: FormDomain,
			Doc: "Zones that `mailform import` looks at although no block speaks of them. Left out: those that are declared; where nothing is, all that there are."},
	},
}
