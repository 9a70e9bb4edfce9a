import Foundation

/// What the gateway says of an order. Fields that it adds later are ignored.
public struct OrderState: Decodable, Sendable {
    public let order: String, epoch: String, version: Int
    public let status: String, isFinal: Bool
    public let amount: Int, currency: String?, paid: Int, refunded: Int
    public let method: String?, reason: String?, actionUrl: String?

    private enum CodingKeys: String, CodingKey {
        case order, epoch, version, status, isFinal = "final", amount, currency, paid, refunded, method, reason, actionUrl = "action_url"
    }
}

/// Follows one order until it is final.
@MainActor
public final class PaybellOrder {
    /// How long a stream may take to begin, and then be silent, in seconds. The gateway says something every 20.
    public var firstByte: TimeInterval = 10, silence: TimeInterval = 45

    fileprivate let base: String, order: String, id: String
    fileprivate let tokens: @Sendable () async throws -> String
    private let onState: (OrderState) -> Void, onEnd: (String?) -> Void
    private var run: Task<Void, Never>?
    private var begun = false, shown: (epoch: String, version: Int)?
    fileprivate private(set) var over = false

    /// `tokens` asks your backend for a token, anew for each connection. `onState` gets each newer state;
    /// `onEnd` gets nil once the order is final, or else what no retry can cure, such as "HTTP 403: " and the
    /// gateway's words.
    public init(gateway: String, order: String, tokens: @escaping @Sendable () async throws -> String,
                onState: @escaping (OrderState) -> Void, onEnd: @escaping (String?) -> Void) throws {
        guard let url = URLComponents(string: gateway), ["http", "https"].contains(url.scheme), url.host?.isEmpty == false,
              url.query == nil, url.fragment == nil, !order.isEmpty,
              let id = order.addingPercentEncoding(withAllowedCharacters: .alphanumerics) else { throw URLError(.badURL) }
        base = (gateway.hasSuffix("/") ? String(gateway.dropLast()) : gateway) + "/v1/"
        (self.order, self.id, self.tokens, self.onState, self.onEnd) = (order, id, tokens, onState, onEnd)
    }

    /// Begins, or goes on: the screen is shown, the app is in the foreground again.
    public func start() {
        guard run == nil, !over else { return }
        let look = begun
        begun = true
        run = Task { await Run(self, look: look).follow() }
    }

    /// Lets the connection go. Nothing is called after this.
    public func stop() {
        run?.cancel()
        run = nil
    }

    fileprivate var tag: String? { shown.map { "\"\($0.epoch).\($0.version)\"" } }

    /// In one epoch versions only rise. Another epoch is believed when it comes as a snapshot.
    fileprivate func show(_ json: String, snapshot: Bool) throws {
        let state = try JSONDecoder().decode(OrderState.self, from: Data(json.utf8))
        guard !Task.isCancelled, state.order == order else { return }
        if let shown, shown.epoch == state.epoch ? state.version <= shown.version : !snapshot { return }
        shown = (state.epoch, state.version)
        over = state.isFinal
        onState(state)
        if state.isFinal { end(nil) }
    }

    fileprivate func end(_ problem: String?) {
        guard !Task.isCancelled else { return } // stopped
        over = true
        run?.cancel()
        onEnd(problem)
    }
}

/// What is heard of one request.
private enum Heard: Sendable {
    case answer(status: Int, type: String, retryAfter: TimeInterval)
    case line(String), renewed(String), late, ended(Error?)
}

/// From a start to a stop.
@MainActor
private final class Run {
    private let watch: PaybellOrder, session: URLSession
    private var look: Bool // a question comes before the connection
    private var token: String? // for the next connection; nil: ask for one
    private var attempt = 0, refused = 0 // failures, and 401s, in a row
    private var asked: TimeInterval = 0 // to wait before the next connection, says the gateway
    private var orderly = false // the connection ended in good order: no backoff
    private var streamAgain: TimeInterval = 0, pollFor: TimeInterval = 60 // when streams do not get through

    init(_ watch: PaybellOrder, look: Bool) {
        (self.watch, self.look) = (watch, look)
        let configuration = URLSessionConfiguration.ephemeral
        configuration.timeoutIntervalForRequest = watch.silence // begins anew with all data that arrives
        session = URLSession(configuration: configuration, delegate: NoRedirects(), delegateQueue: nil)
    }

    func follow() async {
        defer { session.invalidateAndCancel() }
        while !Task.isCancelled && !watch.over {
            (asked, orderly) = (0, false)
            do {
                var with = token
                token = nil
                if with == nil { with = try await watch.tokens() }
                if look || now < streamAgain { try await poll(with!, wait: look ? 0 : 25) } else { try await stream(with!) }
            } catch {
                orderly = false // lost
            }
            look = false
            var pause = asked
            if !orderly {
                pause += Double.random(in: 0..<min(30, 0.5 * pow(2, Double(min(attempt, 6)))))
                attempt += 1
            }
            try? await Task.sleep(nanoseconds: UInt64(pause * 1e9))
        }
    }

    private func stream(_ with: String) async throws {
        let http = Exchange(session, request("sse?order=\(watch.id)", with), patience: watch.firstByte)
        defer { http.close() }
        let born = now
        var begun = false, event = "", data = ""
        for await item in http.heard {
            switch item {
            case let .answer(status, type, retryAfter):
                guard await admitted(http, status, type, retryAfter) else { return }
                if !type.hasPrefix("text/event-stream") { return pollInstead() }
            case .late:
                if !begun { return pollInstead() } // something on the way holds streams back
            case .ended(let error):
                throw error ?? URLError(.networkConnectionLost)
            case .renewed(let next):
                (token, asked, orderly) = (next, 0, true)
                return
            case .line(let line):
                (begun, pollFor) = (true, 60)
                if now - born > 5 { attempt = 0 }
                if line.isEmpty {
                    if !data.isEmpty, try take(event, data, http, with) { return }
                    (event, data) = ("", "")
                    continue
                }
                let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
                var value = parts.count > 1 ? parts[1] : ""
                if value.hasPrefix(" ") { value.removeFirst() }
                switch parts[0] {
                case "event": event = value
                case "data": data += value + "\n"
                case "retry": asked = min(300, max(0, Double(Int(value) ?? 0) / 1000))
                default: break // such as a heartbeat, which begins with a colon
                }
            }
        }
        throw CancellationError()
    }

    private func pollInstead() {
        streamAgain = now + pollFor
        pollFor = min(pollFor * 2, 32 * 60)
        orderly = true
    }

    private struct Notice: Decodable {
        let expires_in: Double?, retry_ms: Double?
    }

    /// Takes one event, and says whether it was the last.
    private func take(_ event: String, _ data: String, _ http: Exchange, _ with: String) throws -> Bool {
        switch event {
        case "snapshot", "update":
            try watch.show(data, snapshot: event == "snapshot")
        case "token_expiring": // another is fetched meanwhile, when half of the time that is left has passed
            let left = try JSONDecoder().decode(Notice.self, from: Data(data.utf8)).expires_in ?? 0
            http.renew(after: left / 2, watch.tokens, old: with)
        case "goodbye":
            let wait = try JSONDecoder().decode(Notice.self, from: Data(data.utf8)).retry_ms ?? 0
            asked = min(300, max(0, wait / 1000))
            orderly = asked > 0
            return true
        default: break // of a newer gateway
        }
        return false
    }

    private func poll(_ with: String, wait: Int) async throws {
        let path = "orders/\(watch.id)" + (wait > 0 ? "?wait=\(wait)" : "")
        let http = Exchange(session, request(path, with, tag: watch.tag), patience: watch.firstByte + Double(wait))
        defer { http.close() }
        let born = now
        var body = "", pause: TimeInterval = 0
        for await item in http.heard {
            switch item {
            case let .answer(status, type, retryAfter):
                guard await admitted(http, status, type, retryAfter) else { return }
                pause = retryAfter
            case .line(let line): body += line
            case .late: throw URLError(.timedOut)
            case .renewed: break
            case .ended(let error):
                if let error { throw error }
                if !body.isEmpty { try watch.show(body, snapshot: true) }
                (token, attempt, orderly) = (with, 0, true) // the token serves the next question too
                asked = wait == 0 ? 0 : max(pause, now - born < 1 ? 2 : 0) // no tight loop
                return
            }
        }
        throw CancellationError()
    }

    /// Says whether the gateway answers. A 403 that is not in its form of errors is that of a portal.
    private func admitted(_ http: Exchange, _ status: Int, _ type: String, _ retryAfter: TimeInterval) async -> Bool {
        let fatal = status == 401 ? refused == 2 : (400..<500).contains(status) && ![408, 429].contains(status) && type.contains("problem")
        asked = retryAfter
        orderly = status == 401 && refused == 0 // with a new token at once
        refused = status == 401 ? refused + 1 : 0
        if fatal { watch.end("HTTP \(status)" + (await words(http))) }
        return status == 200 || status == 304
    }

    private struct Problem: Decodable {
        let title: String, detail: String?
    }

    /// What the gateway says of a refusal.
    private func words(_ http: Exchange) async -> String {
        var body = ""
        for await item in http.heard {
            if case .line(let line) = item { body += line } else { break } // the end, or nothing more in time
        }
        guard let problem = try? JSONDecoder().decode(Problem.self, from: Data(body.utf8)) else { return "" }
        return ": " + [problem.title, problem.detail].compactMap { $0 }.joined(separator: ": ")
    }

    private func request(_ path: String, _ token: String, tag: String? = nil) -> URLRequest {
        let url = URL(string: watch.base + path)!
        var request = URLRequest(url: url, cachePolicy: .reloadIgnoringLocalCacheData, timeoutInterval: watch.silence)
        request.setValue("Bearer \(token)", forHTTPHeaderField: "Authorization")
        request.setValue("identity", forHTTPHeaderField: "Accept-Encoding") // what compresses may hold back
        request.setValue(tag, forHTTPHeaderField: "If-None-Match")
        return request
    }

    private var now: TimeInterval { ProcessInfo.processInfo.systemUptime }
}

/// One request, read by a task of its own.
@MainActor
private final class Exchange {
    let heard: AsyncStream<Heard>
    private let tell: AsyncStream<Heard>.Continuation
    private var tasks: [Task<Void, Never>] = []

    init(_ session: URLSession, _ request: URLRequest, patience: TimeInterval) {
        let (heard, tell) = AsyncStream.makeStream(of: Heard.self)
        (self.heard, self.tell) = (heard, tell)
        tasks.append(Task.detached { await Exchange.read(session, request, tell) })
        later(patience) { .late }
    }

    func renew(after seconds: TimeInterval, _ tokens: @escaping @Sendable () async throws -> String, old: String) {
        later(seconds) {
            guard let token = try? await tokens(), token != old else { return nil } // the stream then ends with the token
            return .renewed(token)
        }
    }

    func close() {
        tasks.forEach { $0.cancel() }
        tell.finish()
    }

    private func later(_ seconds: TimeInterval, _ what: @escaping @Sendable () async -> Heard?) {
        tasks.append(Task.detached { [tell] in
            try? await Task.sleep(nanoseconds: UInt64(min(900, max(0, seconds)) * 1e9))
            if !Task.isCancelled, let item = await what() { tell.yield(item) }
        })
    }

    /// Splits the bytes into lines: `AsyncBytes.lines` leaves out the empty ones, which end events. Bytes become
    /// text when a line is whole: a character may be cut by the network.
    private nonisolated static func read(_ session: URLSession, _ request: URLRequest, _ tell: AsyncStream<Heard>.Continuation) async {
        do {
            let (bytes, response) = try await session.bytes(for: request)
            guard let answer = response as? HTTPURLResponse else { throw URLError(.badServerResponse) }
            let after = answer.value(forHTTPHeaderField: "Retry-After").flatMap { Int($0) } ?? 0
            tell.yield(.answer(status: answer.statusCode, type: answer.value(forHTTPHeaderField: "Content-Type") ?? "",
                               retryAfter: Double(min(300, max(0, after)))))
            try await withTaskCancellationHandler {
                var line: [UInt8] = [], last: UInt8 = 0
                for try await byte in bytes {
                    defer { last = byte }
                    if byte == 10 && last == 13 { continue } // the line ended with the CR
                    if byte != 10 && byte != 13 { line.append(byte); continue }
                    tell.yield(.line(String(decoding: line, as: UTF8.self)))
                    line.removeAll(keepingCapacity: true)
                }
                if !line.isEmpty { tell.yield(.line(String(decoding: line, as: UTF8.self))) }
            } onCancel: {
                bytes.task.cancel()
            }
            tell.yield(.ended(nil))
        } catch {
            tell.yield(.ended(error))
        }
    }
}

/// Refuses redirects, which could take the token elsewhere.
private final class NoRedirects: NSObject, URLSessionTaskDelegate, Sendable {
    func urlSession(_ session: URLSession, task: URLSessionTask, willPerformHTTPRedirection response: HTTPURLResponse,
                    newRequest request: URLRequest, completionHandler: @escaping @Sendable (URLRequest?) -> Void) {
        completionHandler(nil)
    }
}
