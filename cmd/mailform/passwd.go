package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/mailform/mailform/providers/embedded/auth"
)

// maxPassword bounds what passwd reads: longer than any password, short enough
// that a wrong file on standard input is an error and not a hash.
const maxPassword = 1024

// hashes make what passwd prints, by the names of the schemes.
var hashes = map[string]func(password []byte) (string, error){
	"argon2id":      auth.Hash,
	"scram-sha-256": auth.HashSCRAM,
}

// passwd makes a password hash. On a terminal it asks twice; otherwise it reads
// one line from standard input. It prints the hash and nothing else.
func (a *app) passwd(ctx context.Context, args []string) int {
	fs := flag.NewFlagSet("passwd", flag.ContinueOnError)
	scheme := fs.String("scheme", "argon2id", "SCHEME: argon2id, or scram-sha-256, with which users can also log in without sending the password")
	if _, err := a.parse(fs, args, 0); err != nil {
		return usageExit(err)
	}
	make, known := hashes[strings.ToLower(*scheme)]
	if !known {
		return a.fail(fmt.Errorf("there is no scheme %q; there are argon2id and scram-sha-256", *scheme))
	}
	password, err := a.readPassword(ctx)
	if err != nil {
		return a.fail(fmt.Errorf("read the password: %w", err))
	}
	hash, err := make(password)
	if err != nil {
		return a.fail(err)
	}
	fmt.Fprintln(a.stdout, hash)
	return exitOK
}

func (a *app) readPassword(ctx context.Context) ([]byte, error) {
	if !isTerminal(a.stdin) {
		return passwordLine(a.stdin)
	}
	a.heedInterrupts()
	first, err := a.readHidden(ctx, "Password: ")
	if err != nil {
		return nil, err
	}
	second, err := a.readHidden(ctx, "Once more: ")
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(first, second) {
		return nil, errors.New("the two passwords are not the same")
	}
	return checkPassword(first)
}

// passwordLine reads the first line; the line end is not part of the password.
func passwordLine(r io.Reader) ([]byte, error) {
	line, err := bufio.NewReaderSize(io.LimitReader(r, maxPassword+2), maxPassword+2).ReadBytes('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return checkPassword(bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r")))
}

func checkPassword(p []byte) ([]byte, error) {
	switch {
	case len(p) == 0:
		return nil, errors.New("it is empty")
	case len(p) > maxPassword:
		return nil, fmt.Errorf("it is longer than %d bytes", maxPassword)
	case bytes.IndexByte(p, 0) >= 0:
		return nil, errors.New("it holds a NUL byte")
	}
	return p, nil
}
