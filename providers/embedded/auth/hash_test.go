package auth

import (
	"errors"
	"strings"
	"testing"
)

// Hashes of "secret", but where it says otherwise, made by other programs:
// openssl passwd, crypt(3), Python's hashlib in the forms of passlib and Dovecot.
const (
	bcryptSecret   = "$2b$12$bN7e0BUSro/1vBXh5O3s1O9a8NERSvVfKHNsUgC8nND.ExEgLc0kO"
	argon2Password = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc" // "password"
	scramSecret    = "{SCRAM-SHA-256}4096,MDEyMzQ1Njc4OWFiY2RlZg==,bpSY5Ze9NUH+I35LC3gVq+DpBfK46iXBxvhAKqVu9pE=,VpYlBuxyzeCI1KnctrefdljpB1mk3Gp7sBI/t11+NkQ="
)

func TestVerifyTakesTheHashesOfOtherPrograms(t *testing.T) {
	const long = "a very much longer text to encrypt.  This one even stretches over morethan one line."
	for name, tc := range map[string]struct{ hash, password string }{
		"argon2id of the reference program":            {argon2Password, "password"},
		"bcrypt, 2b":                                   {bcryptSecret, "secret"},
		"bcrypt, 2y of PHP and htpasswd":               {"$2y$" + bcryptSecret[4:], "secret"},
		"sha512-crypt":                                 {"$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1", "Hello world!"},
		"sha256-crypt":                                 {"$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5", "Hello world!"},
		"sha512-crypt with rounds":                     {"$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v.", "Hello world!"},
		"sha256-crypt with rounds and a long password": {"$5$rounds=1400$anotherlongsalts$Rx.j8H.h8HjEDGomFU8bDkXm3XIUnzyxf12oP84Bnq1", long},
		"sha256-crypt whose salt is cut at 16 bytes":   {"$5$rounds=1400$anotherlongsaltstring$Rx.j8H.h8HjEDGomFU8bDkXm3XIUnzyxf12oP84Bnq1", long},
		"pbkdf2-sha256 of passlib":                     {"$pbkdf2-sha256$29000$MDEyMzQ1Njc4OWFiY2RlZg$aQOdhWy9q87h1Y13loIh9irlXgv2WqcdeMcUgrd9rJ4", "secret"},
		"pbkdf2-sha512 of passlib":                     {"$pbkdf2-sha512$25000$MDEyMzQ1Njc4OWFiY2RlZg$m28yyWgXn4Qvd2fQ81e1S2A5xmuunG4E1Gf1486hu9kLDwIHy8F3YHrAgxGilxgKS5vWq9EwEkBqsTS2bxygZg", "secret"},
		"PBKDF2 of Dovecot":                            {"{PBKDF2}$1$EXRWqPCPwx6DK/5r$5000$d942c1b01b21083565e06bcc525e822e3354ff29", "secret"},
		"PBKDF2 of Django":                             {"pbkdf2_sha256$1000$abcSALT$amKXn2jyeNGNVxWNfvjhANk5BeofbF9clMNflOBVzaA=", "secret"},
		"salted SHA-1 of slapd":                        {"{SSHA}POhbgPg+VmGqnWs/Nxsti6GQi6kMDcYe", "secret"},
		"salted SHA-256":                               {"{SSHA256}oBmrdHcA6OZEkkCLeXh71YAerbvhXz1qqwjrPsXmEtNzYWx0c2FsdA==", "secret"},
		"salted SHA-512 of Dovecot":                    {"{SSHA512}pq83EG2HF5B0ZPksuBhX4XSsWhI0kF3urDQSCOsv1d9dHye3KwUy5wlwUmqvdbUW7nEbVA6jSgK6UsVghZKnVvk4Gis=", "secret"},
		"SCRAM-SHA-256 of Dovecot":                     {scramSecret, "secret"},
		"SCRAM-SHA-1 of Dovecot":                       {"{SCRAM-SHA-1}4096,MDEyMzQ1Njc4OWFiY2RlZg==,ZnqDkbqfwR2KKV/RA37Ut+cv+dg=,XH6+sRFySz39hhtQA1fE+aOQl/U=", "secret"},
	} {
		t.Run(name, func(t *testing.T) {
			if ok, err := Verify([]string{tc.hash}, []byte(tc.password)); !ok || err != nil {
				t.Errorf("right password: %v, %v", ok, err)
			}
			if ok, err := Verify([]string{tc.hash}, []byte(tc.password+"x")); ok || err != nil {
				t.Errorf("wrong password: %v, %v", ok, err)
			}
		})
	}
}

func TestHashIsVerified(t *testing.T) {
	for _, password := range []string{"quickstart", "pässwörd ✓", " ", strings.Repeat("x", MaxPassword), "nul\x00byte"} {
		h, err := Hash([]byte(password))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(h, "$argon2id$v=19$m=19456,t=2,p=1$") {
			t.Errorf("parameters of %s", h)
		}
		if ok, err := Verify([]string{h}, []byte(password)); !ok || err != nil {
			t.Errorf("%.10q: %v, %v", password, ok, err)
		}
		if ok, _ := Verify([]string{h}, []byte(password+"x")); ok {
			t.Errorf("%.10q: another password matches", password)
		}
	}
	if _, err := Hash(nil); err == nil {
		t.Error("the empty password has a hash")
	}
	if _, err := Hash(make([]byte, MaxPassword+1)); err == nil {
		t.Error("a password beyond the limit has a hash")
	}
}

func TestHashesDifferForEqualPasswords(t *testing.T) {
	a, errA := Hash([]byte("same"))
	b, errB := Hash([]byte("same"))
	if errA != nil || errB != nil || a == b {
		t.Errorf("%v %v; the salt is not random: %t", errA, errB, a == b)
	}
}

func TestVerifyRefusesHashesThatAreNone(t *testing.T) {
	digest := strings.Repeat("A", 43)
	for name, tc := range map[string]struct {
		hash string
		want error
	}{
		"plain text":                           {"secret", ErrUnknownScheme},
		"nothing":                              {"", ErrUnknownScheme},
		"argon2id with 4 GiB":                  {"$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHQ$" + digest, ErrMalformed},
		"argon2id with too many passes":        {"$argon2id$v=19$m=65536,t=4294967295,p=1$c29tZXNhbHQ$" + digest, ErrMalformed},
		"argon2id with too much work":          {"$argon2id$v=19$m=262144,t=32,p=1$c29tZXNhbHQ$" + digest, ErrMalformed},
		"argon2id without lanes":               {"$argon2id$v=19$m=65536,t=2,p=0$c29tZXNhbHQ$" + digest, ErrMalformed},
		"argon2id with less than 8 KiB a lane": {"$argon2id$v=19$m=8,t=2,p=2$c29tZXNhbHQ$" + digest, ErrMalformed},
		"argon2id of another version":          {"$argon2id$v=16$m=65536,t=2,p=1$c29tZXNhbHQ$" + digest, ErrMalformed},
		"argon2id without digest":              {"$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$", ErrMalformed},
		"argon2id cut off":                     {"$argon2id$v=19", ErrMalformed},
		"argon2id with odd base64":             {"$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$!!!!" + digest, ErrMalformed},
		"bcrypt that takes a day":              {"$2b$31$" + bcryptSecret[7:], ErrMalformed},
		"bcrypt cut off":                       {bcryptSecret[:20], ErrMalformed},
		"sha512-crypt cut off":                 {"$6$salt", ErrMalformed},
		"sha512-crypt with nothing":            {"$6$", ErrMalformed},
		"sha512-crypt with endless rounds":     {"$6$rounds=999999999$salt$" + strings.Repeat("x", 86), ErrMalformed},
		"sha256-crypt with a short digest":     {"$5$salt$abc", ErrMalformed},
		"pbkdf2 with endless iterations":       {"$pbkdf2-sha256$999999999$MDEy$" + digest, ErrMalformed},
		"pbkdf2 without digest":                {"$pbkdf2-sha256$1000$MDEy$", ErrMalformed},
		"SCRAM with a short key":               {"{SCRAM-SHA-256}4096,MDEy,AAAA,AAAA", ErrMalformed},
		"SCRAM with nothing":                   {"{SCRAM-SHA-256}", ErrMalformed},
		"PBKDF2 of Django without a salt":      {"pbkdf2_sha256$1000$$amKXn2jyeNGNVxWNfvjhANk5BeofbF9clMNflOBVzaA=", ErrMalformed},
		"PBKDF2 of Django, endless":            {"pbkdf2_sha256$999999999$x$amKXn2jyeNGNVxWNfvjhANk5BeofbF9clMNflOBVzaA=", ErrMalformed},
		"SHA-1 without a salt":                 {"{SSHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", ErrMalformed},
		"PBKDF2 of Dovecot, not hex":           {"{PBKDF2}$1$salt$1000$zz", ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			ok, err := Verify([]string{tc.hash}, []byte("secret"))
			if ok || !errors.Is(err, tc.want) {
				t.Errorf("%v, %v, want %v", ok, err, tc.want)
			}
			if len(tc.hash) > 3 && err != nil && strings.Contains(err.Error(), tc.hash[len(tc.hash)-3:]) {
				t.Errorf("the error holds a part of the hash: %v", err)
			}
		})
	}
}

func TestVerifyAsksAllHashes(t *testing.T) {
	other, err := Hash([]byte("other"))
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := Verify([]string{"nonsense", other, bcryptSecret}, []byte("secret")); !ok || err != nil {
		t.Errorf("the third hash is right: %v, %v", ok, err)
	}
	if ok, err := Verify([]string{"nonsense", other}, []byte("secret")); ok || !errors.Is(err, ErrUnknownScheme) {
		t.Errorf("none is right, one is nonsense: %v, %v", ok, err)
	}
	if ok, err := Verify(nil, []byte("secret")); ok || err != nil {
		t.Errorf("no hash: %v, %v", ok, err)
	}
	if ok, _ := Verify([]string{other, scramSecret}, []byte("secret")); ok {
		t.Error("a SCRAM verifier is asked though there is a hash")
	}
	if ok, err := Verify([]string{bcryptSecret}, nil); ok || err != nil {
		t.Errorf("empty password: %v, %v", ok, err)
	}
}

func FuzzVerify(f *testing.F) {
	for _, h := range []string{
		argon2Password, scramSecret, "$6$rounds=1000$a$b", "$5$$", "$pbkdf2-sha256$1$$", "{PBKDF2}$1$$1$", "$2b$04$",
	} {
		f.Add(h)
	}
	f.Fuzz(func(t *testing.T, hash string) {
		// Only the parsers are of interest: leave out what would take long.
		if strings.HasPrefix(hash, "$2") || strings.HasPrefix(hash, "$argon2id$v=19$m=") && len(hash) > 60 {
			return
		}
		if ok, _ := Verify([]string{hash}, []byte("no hash is this")); ok {
			t.Errorf("%q matches", hash)
		}
	})
}
