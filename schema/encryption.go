package schema

import "github.com/zclconf/go-cty/cty"

// Encryption describes the block `encryption` in `mailform`.
func Encryption() *BlockType { return encryptionBlock }

var encryptionBlock = &BlockType{
	Type: "encryption",
	Doc: "Encrypts the state, wherever it is kept, and saved plans: with a passphrase, or for age recipients. Without an argument that names a key it is taken from the " +
		"environment: `MF_ENCRYPTION_PASSPHRASE`, or else `MF_ENCRYPTION_IDENTITY` (the text of age identities) or `MF_ENCRYPTION_IDENTITY_FILE`. " +
		"What is plain, or encrypted with a key of a block `fallback`, is read, and encrypted as the block says with the next apply. " +
		"`plain = true` undoes the encryption.",
	Example: `mailform {
  encryption {
    recipients    = ["age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"]
    identity_file = var.age_identity_file
    enforced      = true
    fallback {
      passphrase = var.old_passphrase
    }
  }
}`,
	Attributes: append(keyAttributes(true),
		Attribute{Name: "recipients", Type: cty.List(cty.String),
			Doc: "age recipients (`age1…`) who can read what is encrypted. Left out: those whose the identities are."},
		Attribute{Name: "recipients_file", Type: cty.String, Form: FormPath, Doc: "A file of age recipients, one a line."},
		Attribute{Name: "enforced", Type: cty.Bool, Default: cty.False,
			Doc: "Refuse a state and a saved plan that are not encrypted."},
		Attribute{Name: "plain", Type: cty.Bool, Default: cty.False,
			Doc: "Encrypt nothing any more. What is encrypted is read with the keys of the blocks `fallback`, and written plain with the next apply."},
	),
	Blocks: []NestedBlock{{
		Type: "fallback", Repeatable: true,
		Doc:        "A key that was in use before. It reads, and encrypts nothing any more.",
		Attributes: keyAttributes(false),
	}},
}

// keyAttributes name a key that opens; of the block itself it also seals.
func keyAttributes(seals bool) []Attribute {
	least := ""
	if seals {
		least = " It has at least 16 bytes."
	}
	return []Attribute{
		{Name: "passphrase", Type: cty.String, Sensitive: true, Doc: "A passphrase, of which argon2id makes the key." + least},
		{Name: "passphrase_file", Type: cty.String, Form: FormPath, Doc: "A file that holds the passphrase; a line end after it does not count."},
		{Name: "identities", Type: cty.List(cty.String), Sensitive: true, Doc: "age identities (`AGE-SECRET-KEY-…`), as age-keygen makes them."},
		{Name: "identity_file", Type: cty.String, Form: FormPath, Doc: "A file of age identities, as age-keygen writes it."},
	}
}
