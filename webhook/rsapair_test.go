package webhook

import "testing"

func TestAPairFits(t *testing.T) {
	private, public, err := NewRSAPair()
	if err != nil {
		t.Fatal(err)
	}
	key, err := ParseRSAPrivate(private)
	if err != nil {
		t.Fatal(err)
	}
	other, err := ParseRSAPublic(public)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := SignRSA(key, []byte("A1001"))
	if err != nil || !VerifyRSA(other, []byte("A1001"), signature) || VerifyRSA(other, []byte("A1002"), signature) {
		t.Errorf("the public half does not tell what the private one signed: %v", err)
	}
	if _, err := ParseRSAPublic(private); err == nil {
		t.Error("a private key is taken for a public one")
	}
}
