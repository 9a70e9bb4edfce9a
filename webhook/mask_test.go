package webhook

import (
	"bytes"
	"strings"
	"testing"
)

func TestMask(t *testing.T) {
	for body, want := range map[string]string{
		`4242424242424242`:                        `424242******4242`,
		`4242 4242 4242 4242`:                     `4242 42** **** 4242`,
		`4242-4242-4242-4242`:                     `4242-42**-****-4242`,
		`378282246310005`:                         `378282*****0005`,
		`3782 822463 10005`:                       `3782 82**** *0005`,
		`4222222222222`:                           `422222***2222`,       // 13 digits
		`6304000000000000000`:                     `630400*********0000`, // 19 digits
		`"4242424242424242"`:                      `"424242******4242"`,
		`{"n":4242424242424242}`:                  `{"n":424242******4242}`,
		`card4242424242424242,5555555555554444`:   `card424242******4242,555555******4444`,
		`4242424242424242 12/30`:                  `424242******4242 12/30`,
		`7 4242424242424242`:                      `7 424242******4242`,
		`4242 4242 4242 4242 5555 5555 5555 4444`: `4242 42** **** 4242 5555 55** **** 4444`,

		`4242424242424241`:         `4242424242424241`,         // wrong check digit
		`424242424242`:             `424242424242`,             // too short
		`42424242424242420000`:     `42424242424242420000`,     // a run of 20 digits
		`004242424242424242420000`: `004242424242424242420000`, // inside a longer run
		`4242  4242 4242 4242`:     `4242  4242 4242 4242`,     // two spaces are no group's
		`4242.4242.4242.4242`:      `4242.4242.4242.4242`,
		`4242_4242`:                `4242_4242`,
		`4242 `:                    `4242 `,
		``:                         ``,
		`no digits`:                `no digits`,
	} {
		if got := string(Mask([]byte(body))); got != want {
			t.Errorf("%s: got %s, want %s", body, got, want)
		}
	}
}

func TestMaskCopiesOnlyWhatItChanges(t *testing.T) {
	plain := []byte(`{"order":"A1001"}`)
	if got := Mask(plain); &got[0] != &plain[0] {
		t.Error("nothing to mask, and copied")
	}
	card := []byte(`4242424242424242`)
	if Mask(card); string(card) != `4242424242424242` {
		t.Error("the body that was given is changed")
	}
}

// The worst bodies of the largest size, and one as it is sent.
func BenchmarkMask(b *testing.B) {
	for name, body := range map[string][]byte{
		"single digits":  bytes.Repeat([]byte("1 "), maxBody/2),
		"groups of four": bytes.Repeat([]byte("4242 "), maxBody/5),
		"one long run":   bytes.Repeat([]byte("1"), maxBody),
		"ordinary":       bytes.Repeat([]byte(`{"id":"pi_3SWx2cLkdIwHu7ix0Qm1Rt8Z","amount":9900,"created":1795420790}`), 60),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				Mask(body)
			}
		})
	}
}

func FuzzMask(f *testing.F) {
	for _, seed := range []string{"4242 4242 4242 4242 12", "1-2-3", "6304000000000000000", strings.Repeat("42", 8)} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		masked := Mask(body)
		if len(masked) != len(body) {
			t.Fatal("another length")
		}
		for i := range body {
			if masked[i] != body[i] && (masked[i] != '*' || !isDigit(body[i])) {
				t.Fatalf("byte %d is neither kept nor masked", i)
			}
		}
		if again := Mask(masked); !bytes.Equal(again, masked) {
			t.Fatalf("masks %s further to %s", masked, again)
		}
	})
}
