package main

import (
	"os"
	"testing"

	"filippo.io/age"
	"github.com/rogpeppe/go-internal/testscript"
)

// The stories in testdata/script: what the commands do and print, without a
// server.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       os.Getenv("MAILFORM_UPDATE") != "",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			// No key stands in the repository, not even one for tests.
			id, err := age.GenerateX25519Identity()
			if err != nil {
				return err
			}
			env.Setenv("AGE_IDENTITY", id.String())
			env.Setenv("AGE_RECIPIENT", id.Recipient().String())
			return nil
		},
	})
}
