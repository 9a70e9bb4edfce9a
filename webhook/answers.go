package webhook

import (
	"net/http"
	"time"

	"github.com/paybell/paybell/internal/problem"
)

// What a request that is not recorded is answered, besides unverified.
var (
	unknownSource = problem.Problem{
		Status: http.StatusNotFound, Name: "unknown-source", Title: "No such source",
		Detail: "No source of this name is configured. The address is /webhooks/{source}.",
	}
	wrongMethod = problem.Problem{
		Status: http.StatusMethodNotAllowed, Name: "method-not-allowed", Title: "Method not allowed",
		Detail: "Webhooks are posted.",
	}
	compressed = problem.Problem{
		Status: http.StatusUnsupportedMediaType, Name: "compressed", Title: "Compressed body",
		Detail: "Send the body without Content-Encoding: it is the plain bytes that are signed.",
	}
	wrongType = problem.Problem{
		Status: http.StatusUnsupportedMediaType, Name: "wrong-content-type", Title: "Content type not accepted",
		Detail: "The Content-Type is not one that this provider sends.",
	}
	noLength = problem.Problem{
		Status: http.StatusLengthRequired, Name: "length-required", Title: "Length required",
		Detail: "Send the body with a Content-Length and without Transfer-Encoding.",
	}
	tooLarge = problem.Problem{
		Status: http.StatusRequestEntityTooLarge, Name: "too-large", Title: "Too large",
		Detail: "A webhook's body may have at most 1 MiB.",
	}
	tooSlow = problem.Problem{
		Status: http.StatusRequestTimeout, Name: "too-slow", Title: "Body too slow",
		Detail: "The body did not arrive in time.",
	}
	brokenOff = problem.Problem{
		Status: http.StatusBadRequest, Name: "body-incomplete", Title: "Body incomplete",
		Detail: "The body ended before its Content-Length.",
	}
	unavailable = problem.Problem{
		Status: http.StatusServiceUnavailable, Name: "ledger-unavailable", Title: "The ledger is not available",
		Detail: "It is not known whether this was stored. Send it again.", RetryAfter: 5 * time.Second,
	}
)

// unverified says why the sender is not proved. Providers' errors hold nothing
// secret and nothing of the request.
func unverified(err error) problem.Problem {
	return problem.Problem{
		Status: http.StatusUnauthorized, Name: "not-verified", Title: "Not verified", Detail: err.Error(),
	}
}
