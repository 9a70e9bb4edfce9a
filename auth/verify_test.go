package auth

import (
	"reflect"
	"strings"
	"testing"
)

func TestRefusesAlgNone(t *testing.T) {
	for _, alg := range []string{"none", "None", "NONE", "nOnE", ""} {
		s := genuine().head(`"HS256"`, `"`+alg+`"`)
		unsigned := b64([]byte(s.header)) + "." + b64([]byte(s.claims)) + "."
		wantRefused(t, ReasonAlgorithm, s.sign(t), unsigned+"AA")
		wantRefused(t, ReasonMalformed, unsigned)
	}
}

func TestRefusesAlgThatIsNotTheKeys(t *testing.T) {
	s := genuine().head(`"HS256"`, `"HS512"`)
	s.algorithm = "HS512"
	wantRefused(t, ReasonAlgorithm, s.sign(t),
		genuine().head(`"alg":"HS256",`, ``).sign(t),
		genuine().head(`"HS256"`, `["HS256"]`).sign(t),
		genuine().head(`"HS256"`, `null`).sign(t),
		genuine().head(`"HS256"`, `"hs256"`).sign(t))
}

// With the RSA public key's text as HMAC secret.
func TestRefusesPublicKeyAsHMACSecret(t *testing.T) {
	public := publicPEM(rsaKey().Public())
	v := newVerifier(t, Options{}, Key{ID: "rsa", Algorithm: "RS256", PublicKey: public})
	s := genuine().head(`"k1"`, `"rsa"`)
	for _, confused := range []string{public, strings.TrimSpace(public)} {
		s.key = []byte(confused)
		wantRefusedBy(t, v, ReasonAlgorithm, s.sign(t))
		wantRefusedBy(t, v, ReasonSignature, s.head(`"HS256"`, `"RS256"`).sign(t))
	}
	s = s.head(`"HS256"`, `"RS256"`)
	s.algorithm, s.key = "RS256", rsaKey()
	wantAccepted(t, v, s.sign(t))
}

// One RSA key serves PKCS #1 v1.5 or PSS, as configured, never both.
func TestRefusesOtherPaddingOfTheSameKey(t *testing.T) {
	v := newVerifier(t, Options{}, Key{ID: "rsa", Algorithm: "PS256", PublicKey: publicPEM(rsaKey().Public())})
	s := genuine().head(`"k1"`, `"rsa"`).head(`"HS256"`, `"RS256"`)
	s.algorithm, s.key = "RS256", rsaKey()
	wantRefusedBy(t, v, ReasonAlgorithm, s.sign(t))
	wantRefusedBy(t, v, ReasonSignature, s.head(`"RS256"`, `"PS256"`).sign(t))
}

func TestRefusesKidInjection(t *testing.T) {
	for _, kid := range []string{
		`"../../dev/null"`, `"k1' OR '1'='1"`, `"https://EVIL.example/k"`, `["k1"]`, `{"k1":1}`, `1`, `null`, `true`, `""`,
		`"k1\u0000"`, `"k1 "`, `"` + strings.Repeat("k", 65) + `"`,
	} {
		wantRefused(t, ReasonHeader, genuine().head(`"k1"`, kid).sign(t))
	}
}

func TestRefusesMissingKid(t *testing.T) {
	token := genuine().head(`"kid":"k1",`, ``).sign(t)
	wantRefused(t, ReasonHeader, token)
	_, err := newVerifier(t, Options{}).Verify(token)
	if want := "auth: header has no kid; set it to the id of the key that signs"; err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
}

func TestRefusesUnknownKid(t *testing.T) {
	wantRefused(t, ReasonUnknown, genuine().head(`"k1"`, `"k2"`).sign(t), genuine().head(`"k1"`, `"K1"`).sign(t))
}

// A key that the token brings along, or points to, has no say.
func TestIgnoresKeysThatTheTokenBrings(t *testing.T) {
	v := newVerifier(t, Options{})
	for _, name := range []string{"jku", "x5u"} {
		wantAccepted(t, v, genuine().head(`{`, `{"`+name+`":"http://127.0.0.1:1/EVIL",`).sign(t))
	}
	own := genuine().head(`{`, `{"jwk":{"kty":"oct","k":"`+b64([]byte("EVIL"))+`"},"x5c":["EVIL"],`)
	wantAccepted(t, v, own.sign(t))
	own.key = []byte("EVIL")
	wantRefusedBy(t, v, ReasonSignature, own.sign(t))
}

func TestRefusesCritHeader(t *testing.T) {
	wantRefused(t, ReasonHeader,
		genuine().head(`{`, `{"crit":["b64"],"b64":false,`).sign(t),
		genuine().head(`{`, `{"crit":["exp"],`).sign(t),
		genuine().head(`{`, `{"crit":[],`).sign(t),
		genuine().head(`{`, `{"crit":null,`).sign(t))
}

func TestRefusesB64Header(t *testing.T) {
	wantRefused(t, ReasonHeader, genuine().head(`{`, `{"b64":false,`).sign(t), genuine().head(`{`, `{"b64":true,`).sign(t))
}

func TestRefusesZipHeader(t *testing.T) {
	wantRefused(t, ReasonHeader, genuine().head(`{`, `{"zip":"DEF",`).sign(t))
}

func TestRefusesEncHeader(t *testing.T) {
	wantRefused(t, ReasonHeader, genuine().head(`{`, `{"enc":"A128GCM",`).sign(t))
}

func TestRefusesNestedToken(t *testing.T) {
	wantRefused(t, ReasonHeader, genuine().head(`{`, `{"cty":"JWT",`).sign(t))
}

func TestRefusesOtherKindOfToken(t *testing.T) {
	for _, typ := range []string{`"at+jwt"`, `"logout+jwt"`, `"dpop+jwt"`, `""`, `null`, `["JWT"]`, `"JWT "`} {
		wantRefused(t, ReasonHeader, genuine().head(`"JWT"`, typ).sign(t))
	}
}

func TestConfiguredTokenTypeIsRequired(t *testing.T) {
	v := newVerifier(t, Options{TokenType: "paybell+jwt"})
	wantAccepted(t, v, genuine().head(`"JWT"`, `"Paybell+JWT"`).sign(t))
	wantRefusedBy(t, v, ReasonHeader, genuine().sign(t))
	wantRefusedBy(t, v, ReasonHeader, genuine().head(`,"typ":"JWT"`, ``).sign(t))
}

func TestRefusesWrongCaseHeader(t *testing.T) {
	for _, name := range []string{"Kid", "KID", "Alg", "Crit", "B64", "Typ", "\u212aid"} { // the last is a Kelvin sign
		wantRefused(t, ReasonMalformed, genuine().head(`{`, `{"`+name+`":"EVIL",`).sign(t))
	}
	wantRefused(t, ReasonMalformed, genuine().head(`"kid"`, `"Kid"`).sign(t))
}

func TestRefusesDuplicateHeaders(t *testing.T) {
	wantRefused(t, ReasonMalformed,
		genuine().head(`{`, `{"kid":"EVIL",`).sign(t),
		genuine().head(`{`, `{"alg":"none",`).sign(t),
		genuine().head(`{`, `{"\u0061lg":"HS256",`).sign(t),
		genuine().head(`{`, `{"x":1,"x":1,`).sign(t))
}

func TestRefusesHeaderThatIsNoObject(t *testing.T) {
	for _, header := range []string{`null`, `[]`, `"alg"`, `{`, `{"alg":"HS256","kid":"k1"} {}`, `{"alg":"HS256","kid":"k1"},`, "{\"kid\":\"\xff\"}"} {
		s := genuine()
		s.header = header
		wantRefused(t, ReasonMalformed, s.sign(t))
	}
}

func TestRefusesMissingExp(t *testing.T) {
	wantRefused(t, ReasonClaims, genuine().claim(`"exp":1795421100,`, ``).sign(t))
}

func TestRefusesExpZero(t *testing.T) {
	wantRefused(t, ReasonClaims, genuine().claim(`"exp":1795421100`, `"exp":0`).sign(t))
}

func TestRefusesExpAsString(t *testing.T) {
	wantRefused(t, ReasonClaims, genuine().claim(`"exp":1795421100`, `"exp":"1795421100"`).sign(t))
}

func TestRefusesTimesThatAreNoIntegers(t *testing.T) {
	for _, name := range []string{"exp", "iat", "nbf"} {
		for _, v := range []string{`null`, `true`, `[1795420900]`, `{}`, `1795420900.5`, `1795420900.0`, `1.7954209e9`, `"x"`, `""`, `-1`} {
			s := genuine().claim(`"exp":1795421100,`, ``).claim(`"iat":1795420800,"nbf":1795420800,`, ``)
			for _, other := range []string{`"exp":1795421100`, `"iat":1795420800`, `"nbf":1795420800`} {
				if strings.HasPrefix(other, `"`+name) {
					other = `"` + name + `":` + v
				}
				s = s.claim(`{`, `{`+other+`,`)
			}
			wantRefused(t, ReasonClaims, s.sign(t))
		}
	}
}

func TestRefusesFarFutureExp(t *testing.T) {
	for _, exp := range []string{"1000000000000000000", "9223372036854775807", "9223372036854775808", "1e18", "1e300", "4102444800", "1795421100000", "1795421701"} {
		wantRefused(t, ReasonClaims, genuine().claim(`1795421100`, exp).sign(t))
	}
}

func TestRefusesFarNbf(t *testing.T) {
	for _, nbf := range []string{"1e300", "1000000000000000000", "-9223372036854775808", "0"} {
		wantRefused(t, ReasonClaims, genuine().claim(`"nbf":1795420800`, `"nbf":`+nbf).sign(t))
	}
	wantRefused(t, ReasonEarly, genuine().claim(`"nbf":1795420800`, `"nbf":1795420831`).sign(t))
}

func TestRefusesMissingIat(t *testing.T) {
	wantRefused(t, ReasonClaims, genuine().claim(`"iat":1795420800,`, ``).sign(t))
}

func TestRefusesIatInTheFuture(t *testing.T) {
	wantRefused(t, ReasonEarly, genuine().claim(`"iat":1795420800`, `"iat":1795420831`).sign(t))
}

func TestRefusesExpNotAfterIat(t *testing.T) {
	wantRefused(t, ReasonClaims,
		genuine().claim(`1795421100`, `1795420800`).sign(t),
		genuine().claim(`1795421100`, `1795420799`).sign(t))
}

func TestRefusesLongLife(t *testing.T) {
	wantRefused(t, ReasonClaims, genuine().claim(`"iat":1795420800`, `"iat":1795420199`).sign(t))
}

// Not a second of leeway: the connection of an expired token ends, so it must
// not be able to come back.
func TestRefusesExpired(t *testing.T) {
	old := genuine().claim(`"iat":1795420800,"nbf":1795420800`, `"iat":1795420000`)
	wantRefused(t, ReasonExpired,
		old.claim(`1795421100`, `1795420800`).sign(t),
		old.claim(`1795421100`, `1795420790`).sign(t),
		old.claim(`1795421100`, `1795420100`).sign(t))
}

// Who cannot sign learns nothing from the answer.
func TestForgedExpiredTokenIsNotCalledExpired(t *testing.T) {
	s := genuine().claim(`"iat":1795420800,"nbf":1795420800`, `"iat":1795420000`).claim(`1795421100`, `1795420100`)
	s.key = []byte("another secret")
	wantRefused(t, ReasonSignature, s.sign(t))
}

func TestRefusesWrongCaseClaims(t *testing.T) {
	for _, name := range []string{"EXP", "Exp", "Sub", "Iat", "Aud", "ISS", "Jti", "Nbf", "Orders", "\u017fub"} { // the last has a long s
		wantRefused(t, ReasonMalformed, genuine().claim(`{`, `{"`+name+`":1795421100,`).sign(t))
	}
	wantRefused(t, ReasonMalformed, genuine().claim(`"orders"`, `"ORDERS"`).sign(t))
}

func TestRefusesDuplicateClaims(t *testing.T) {
	wantRefused(t, ReasonMalformed,
		genuine().claim(`{`, `{"exp":1,`).sign(t),
		genuine().claim(`{`, `{"orders":["EVIL"],`).sign(t),
		genuine().claim(`{`, `{"\u006frders":["EVIL"],`).sign(t),
		genuine().claim(`{`, `{"deep":{"EVIL":1,"EVIL":2},`).sign(t))
}

func TestRefusesClaimsThatAreNoObject(t *testing.T) {
	for _, claims := range []string{`null`, `[]`, `1`, `"EVIL"`, ` `, `{`, genuine().claims + `x`, genuine().claims + genuine().claims, "{\"EVIL\":\"\xff\"}", `{"EVIL":"\ud800"}`} {
		s := genuine()
		s.claims = claims
		wantRefused(t, ReasonMalformed, s.sign(t))
	}
}

func TestRefusesDeepNesting(t *testing.T) {
	for _, depth := range []int{100, 1400} {
		nested := strings.Repeat("[", depth) + strings.Repeat("]", depth)
		wantRefused(t, ReasonMalformed, genuine().claim(`{`, `{"EVIL":`+nested+`,`).sign(t), genuine().head(`{`, `{"EVIL":`+nested+`,`).sign(t))
	}
}

func TestRefusesOtherAudience(t *testing.T) {
	wantRefused(t, ReasonAudience,
		genuine().claim(`"paybell"`, `"EVIL"`).sign(t),
		genuine().claim(`"paybell"`, `"Paybell"`).sign(t),
		genuine().claim(`"paybell"`, `""`).sign(t),
		genuine().claim(`"paybell"`, `[]`).sign(t),
		genuine().claim(`"paybell"`, `["EVIL","paybell2"]`).sign(t))
}

func TestRefusesAudienceOfWrongType(t *testing.T) {
	for _, aud := range []string{`1`, `null`, `true`, `{"paybell":1}`, `[1]`, `["paybell",1]`, `[["paybell"]]`, `[null]`} {
		wantRefused(t, ReasonClaims, genuine().claim(`"paybell"`, aud).sign(t))
	}
	wantRefused(t, ReasonClaims, genuine().claim(`"aud":"paybell",`, ``).sign(t))
}

func TestRefusesOtherIssuer(t *testing.T) {
	v := newVerifier(t, Options{Issuer: "https://shop.example"})
	wantAccepted(t, v, genuine().sign(t))
	for _, iss := range []string{`"https://EVIL.example"`, `"https://shop.example/"`, `""`} {
		wantRefusedBy(t, v, ReasonIssuer, genuine().claim(`"https://shop.example"`, iss).sign(t))
	}
	wantRefusedBy(t, v, ReasonIssuer, genuine().claim(`"iss":"https://shop.example",`, ``).sign(t))
	wantRefusedBy(t, v, ReasonClaims, genuine().claim(`"https://shop.example"`, `["https://shop.example"]`).sign(t))
}

func TestConfiguredAudienceReplacesOurs(t *testing.T) {
	v := newVerifier(t, Options{Audience: "shop"})
	wantAccepted(t, v, genuine().claim(`"paybell"`, `"shop"`).sign(t))
	wantRefusedBy(t, v, ReasonAudience, genuine().sign(t))
}

func TestRefusesMissingOrders(t *testing.T) {
	wantRefused(t, ReasonClaims, genuine().claim(`,"orders":["A1001"]`, ``).sign(t))
}

func TestRefusesOrdersThatAreNoList(t *testing.T) {
	for _, orders := range []string{
		`[]`, `null`, `"A1001"`, `"*"`, `true`, `1`, `{}`, `{"A1001":true}`, `[1]`, `[null]`, `[["A1001"]]`, `["A1001",{}]`, `[""]`,
		`["A1001",".."]`, `["A 1001"]`, `["Ä"]`, `["` + strings.Repeat("A", 129) + `"]`, `["A1001"` + strings.Repeat(`,"A1"`, 100) + `]`,
	} {
		wantRefused(t, ReasonClaims, genuine().claim(`["A1001"]`, orders).sign(t))
	}
}

// Names that only look like ours, such as those of [Claims]' fields, mean nothing.
func TestUnregisteredClaimsSayNothing(t *testing.T) {
	v := newVerifier(t, Options{})
	want := wantAccepted(t, v, genuine().sign(t))
	got := wantAccepted(t, v, genuine().claim(`{`, `{"expires":"2099-01-01T00:00:00Z","subject":"EVIL","id":"EVIL","keyid":"EVIL","Claims":{"Orders":["EVIL"]},`).sign(t))
	if !reflect.DeepEqual(got, want) {
		t.Errorf("claims %+v, want %+v", got, want)
	}
}

// A star is an id like any other; it is never a wildcard.
func TestStarIsOneOrder(t *testing.T) {
	got := wantAccepted(t, newVerifier(t, Options{}), genuine().claim(`["A1001"]`, `["*"]`).sign(t))
	if len(got.Orders) != 1 || got.Orders[0] != "*" {
		t.Errorf("orders %q", got.Orders)
	}
}

func TestRefusesSubjectThatIsNoString(t *testing.T) {
	for _, sub := range []string{`null`, `42`, `["u42"]`, `{}`, `"` + strings.Repeat("u", 129) + `"`} {
		wantRefused(t, ReasonClaims, genuine().claim(`"u42"`, sub).sign(t))
	}
}

func TestRefusesMissingJti(t *testing.T) {
	for _, jti := range []string{`null`, `1`, `""`, `"` + strings.Repeat("t", 129) + `"`} {
		wantRefused(t, ReasonClaims, genuine().claim(`"t1"`, jti).sign(t))
	}
	wantRefused(t, ReasonClaims, genuine().claim(`"jti":"t1",`, ``).sign(t))
}

func TestRefusesNewlineInSignature(t *testing.T) {
	token := genuine().sign(t)
	for _, at := range []int{3, len(token) / 2, len(token) - 4, len(token)} {
		for _, blank := range []string{"\n", "\r", "\r\n"} {
			wantRefused(t, ReasonMalformed, token[:at]+blank+token[at:])
		}
	}
}

// The last character of an HMAC's 43 has two spare bits.
func TestRefusesTrailingBitsInSignature(t *testing.T) {
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	token := genuine().sign(t)
	last := strings.IndexByte(digits, token[len(token)-1])
	for spare := 1; spare < 4; spare++ {
		wantRefused(t, ReasonMalformed, token[:len(token)-1]+string(digits[last|spare]))
	}
}

func TestRefusesOtherAlphabetsAndPadding(t *testing.T) {
	token := genuine().sign(t)
	wantRefused(t, ReasonMalformed, token+"=", token+" ", " "+token, "Bearer "+token, token+"\x00",
		strings.Replace(token, ".", "=.", 1), token[:len(token)-2]+"+/", token+"é")
}

func TestRefusesWrongNumberOfParts(t *testing.T) {
	token := genuine().sign(t)
	parts := strings.Split(token, ".")
	wantRefused(t, ReasonMalformed, "", ".", "..", "...", parts[0], parts[0]+"."+parts[1], token+".", "."+token, token+".e30",
		parts[0]+".."+parts[2], "."+parts[1]+"."+parts[2], strings.Repeat(".", 4000), strings.Repeat("a.", 2000))
}

func TestRefusesHugeToken(t *testing.T) {
	fit := genuine().claim(`{`, `{"pad":"",`)
	space := maxTokenBytes - len(fit.sign(t))
	pad := strings.Repeat("x", space*3/4)
	wantAccepted(t, newVerifier(t, Options{}), fit.claim(`"pad":""`, `"pad":"`+pad+`"`).sign(t))
	wantRefused(t, ReasonMalformed, fit.claim(`"pad":""`, `"pad":"`+pad+`xxx"`).sign(t), strings.Repeat("a", 1<<20))
}

func TestRefusesChangedToken(t *testing.T) {
	parts := strings.Split(genuine().sign(t), ".")
	other := genuine().claim(`"A1001"`, `"A1002"`)
	wantRefused(t, ReasonSignature, parts[0]+"."+b64([]byte(other.claims))+"."+parts[2], parts[0]+"."+parts[1]+"."+parts[0])
	other.key = []byte(secret + "x")
	wantRefused(t, ReasonSignature, other.sign(t))
}

// One token in two spellings: whoever revokes must go by jti or sub.
func TestOneClaimSetHasManyTokens(t *testing.T) {
	v := newVerifier(t, Options{})
	a, b := genuine().sign(t), genuine().claim(`{`, `{ `).sign(t)
	if x, y := wantAccepted(t, v, a), wantAccepted(t, v, b); a == b || x.ID != y.ID {
		t.Errorf("ids %q and %q", x.ID, y.ID)
	}
}
