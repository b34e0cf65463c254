// Package planjson writes plans, states and events as JSON in the form of
// Terraform, which policy tools and pipelines read: [Plan] and [State] write the
// documents of show -json, a [Stream] the events of plan -json and apply -json.
//
// No secret is in any of them: a sensitive value is null, and true beside it in
// before_sensitive, after_sensitive or sensitive_values. What is mailform's own
// is under the key "mailform", which other readers ignore.
package planjson

// Versions that the documents claim. Tools refuse a document without them.
const (
	planFormat       = "1.2"
	stateFormat      = "1.0"
	validationFormat = "1.0"
	eventFormat      = "1.2"
	// terraformVersion is the version of Terraform whose form this is.
	terraformVersion = "1.9.0"
)

// TerraformVersion is the version of Terraform whose forms the documents have.
const TerraformVersion = terraformVersion
