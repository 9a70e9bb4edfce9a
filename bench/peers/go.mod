module github.com/paybell/paybell/bench/peers

go 1.26.0
