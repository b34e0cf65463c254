package clients

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// need finds a program that a test asks for its judgement.
func need(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("%s is not installed; .ci/peers installs it", program)
		}
		t.Skipf("SKIPPED: %s is not installed", program)
	}
	return path
}

// What a telephone says to a QR code is what another program's reader says, of the
// image and of the blocks on a terminal.
func TestQRCodesAreRead(t *testing.T) {
	zbarimg := need(t, "zbarimg")
	want := map[string]string{
		"user":      `[1,[1,1],[0,"mail.example.com",993,3,1,"alice@example.com"],[[[0,"mail.example.com",465,3,1,"alice@example.com"],["alice@example.com","alice@example.com"]]]]`,
		"pop3-only": `[1,[1,1],[1,"mail.example.com",995,3,1,"alice@example.com"],[[[0,"mail.example.com",465,3,1,"alice@example.com"],["alice@example.com","alice@example.com"]]]]`,
		"starttls":  `[1,[1,1],[0,"mail.example.com",143,2,1,"bob@example.com"],[[[0,"out.example.com",587,2,1,"bob@example.com"],["bob@example.com","bob@example.com"]]]]`,
	}
	for name, text := range want {
		t.Run(name, func(t *testing.T) {
			code, err := samples()[name].QR()
			if err != nil {
				t.Fatal(err)
			}
			for way, img := range map[string][]byte{"image": code.PNG(), "blocks": raster(t, code.Text())} {
				file := filepath.Join(t.TempDir(), way+".png")
				if err := os.WriteFile(file, img, 0o600); err != nil {
					t.Fatal(err)
				}
				out, err := exec.Command(zbarimg, "--quiet", "--raw", "--nodbus", file).Output()
				if err != nil {
					t.Fatalf("%s: %v", way, err)
				}
				if got := strings.TrimSpace(string(out)); got != text {
					t.Errorf("%s says\n%s\nnot\n%s", way, got, text)
				}
			}
		})
	}
}

// raster is what blocks look like on a black terminal.
func raster(t *testing.T, text string) []byte {
	const scale = 6
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	wide := len([]rune(lines[0]))
	img := image.NewGray(image.Rect(0, 0, (wide+8)*scale, (2*len(lines)+8)*scale))
	for row, line := range lines {
		for column, r := range []rune(line) {
			for half, lit := range []bool{strings.ContainsRune("█▀", r), strings.ContainsRune("█▄", r)} {
				if !lit {
					continue
				}
				for dx := range scale {
					for dy := range scale {
						img.SetGray((column+4)*scale+dx, (2*row+half+4)*scale+dy, color.Gray{255})
					}
				}
			}
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestWhatAQRCodeCannotSayIsRefused(t *testing.T) {
	for name, says := range map[string]string{"domain": "is a domain", "odd": "can only be in ASCII"} {
		if _, err := samples()[name].QR(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
