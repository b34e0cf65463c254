package schema

import "github.com/zclconf/go-cty/cty"

// parametersAttribute takes native settings of a mail server.
func parametersAttribute(what string) Attribute {
	return Attribute{Name: "parameters", Type: cty.Map(cty.String),
		Doc: what + " that mailform is to own beyond those that it makes of blocks, by name. Those that it makes itself cannot be named. One that is taken out goes back to the server's default."}
}

// refuseScript is for providers that have no place for Sieve scripts.
func refuseScript(cty.Value) string {
	return "has no place for a Sieve script"
}

// unitAttribute names what supervises a mail server.
func unitAttribute(program string) Attribute {
	return Attribute{Name: "unit", Type: cty.String, Form: FormIdentifier,
		Doc: "The systemd unit that runs it. Left out: it is started by its own program, `" + program + "`."}
}
