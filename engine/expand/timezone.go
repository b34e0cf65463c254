package expand

import (
	"strings"

	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// zoneElsewhere says where other servers than the embedded one have their time zone.
var zoneElsewhere = map[string]string{
	"sendmail": "It has an option for it: `parameters = { TimeZoneSpec = … }` in its provider block.",
	"postfix":  "It has that of its environment, and takes the environment when it is started: `TZ=…` in `import_environment` of main.cf.",
	"dovecot":  "It has that of its environment, and takes the environment when it is started: TZ in `import_environment` of dovecot.conf.",
	"cyrus":    "It has that of its environment: `TZ=…` where its service is started.",
}

// addTimeZone says what a server's clock shows.
func (e *expander) addTimeZone(s section, srv *server) {
	v := s.attr("time_zone")
	if v.fact() == absent {
		return
	}
	for _, r := range []role{roleMTA, roleStore} {
		if target := srv.roles[r]; !runs(target) {
			name, _, _ := strings.Cut(target, ".")
			v.errorf("Server that others make", "%s has no attribute for what time_zone says. %s Leave out time_zone.", target, zoneElsewhere[name])
			return
		}
	}
	name := orUnknown(read(v, func(text string) (string, error) {
		_, err := schema.ParseTimeZone(text)
		return text, err
	}))
	e.add(srv.block, ".time_zone", schema.KindTimeZone, srv.roles[roleMTA], srv.label(), map[string]cty.Value{
		"owner": cty.StringVal(srv.label()),
		"name":  name,
	})
}
