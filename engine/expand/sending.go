package expand

import (
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// elsewhere are the words that Postfix and Sendmail have for settings of a block
// queue: their administrator can say them to the provider.
var elsewhere = map[string]map[string]string{
	"postfix": {
		"delay_warning": "delay_warning_time", "concurrency_per_destination": "default_destination_concurrency_limit",
		"concurrency": "default_process_limit", "verified_tls": "smtp_tls_policy_maps",
	},
	"sendmail": {"delay_warning": "Timeout.queuewarn", "concurrency": "MaxQueueChildren"},
}

// addSending says how a server hands on mail for elsewhere.
func (e *expander) addSending(whole section, srv *server) {
	s, ok := whole.nested("queue")
	if !ok {
		return
	}
	target, said := srv.roles[roleMTA], false
	for _, name := range schema.SendingSettings {
		a := s.attr(name)
		if a.fact() == absent {
			continue
		}
		said = true
		if runs(target) {
			continue
		}
		advice := "Leave it out."
		if word := elsewhere[providerOf(target)][name]; word != "" {
			advice = "Leave it out, and set " + word + " by the attribute parameters of the provider."
		}
		a.errorf("Setting that the provider does not have", "%s of %s: %s decides by its own configuration how it hands on mail. %s", a.path, srv.addr, target, advice)
	}
	if !said || !runs(target) {
		return
	}
	warning := s.attr("delay_warning").seconds()
	if s.attr("delay_warning").fact() == absent {
		warning = number{int64(schema.DefaultDelayWarning.Seconds()), known}
	}
	verified, f := readList(s.attr("verified_tls"), schema.ParseDomainName)
	e.add(srv.block, ".sending", schema.KindSending, target, srv.label(), map[string]cty.Value{
		"owner":                       cty.StringVal(srv.label()),
		"delay_warning":               e.val(warning),
		"concurrency":                 e.val(s.attr("concurrency").integer(schema.DefaultConcurrency)),
		"concurrency_per_destination": e.val(s.attr("concurrency_per_destination").integer(schema.DefaultConcurrencyPerDestination)),
		"verified_tls":                list(verified, orZero(f)),
	})
}
