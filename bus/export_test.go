package bus

// Sign returns a body with the code that proves it.
func Sign(k *Key, body []byte) []byte { return k.sign(body) }
