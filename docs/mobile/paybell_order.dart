import 'dart:async';
import 'dart:convert';
import 'dart:io';
import 'dart:math';

/// Follows one order until it is final.
class PaybellOrder {
  /// [tokens] asks your backend for a token, anew for each connection. [onState] gets each newer state,
  /// and [onEnd] null once the order is final, or else what no retry can cure, such as "HTTP 403: " and
  /// the gateway's words.
  PaybellOrder({
    required String gateway,
    required this.order,
    required this.tokens,
    required this.onState,
    required this.onEnd,
  }) : _base = '${gateway.replaceFirst(RegExp(r'/+$'), '')}/v1' {
    final url = Uri.tryParse(gateway);
    if (url == null || !const ['http', 'https'].contains(url.scheme) || url.host.isEmpty || url.hasQuery || url.hasFragment) {
      throw ArgumentError.value(gateway, 'gateway', 'no address of a gateway');
    }
    if (order.isEmpty) throw ArgumentError.value(order, 'order', 'no order');
  }

  final String order;
  final Future<String> Function() tokens;
  final void Function(Map<String, dynamic> state) onState;
  final void Function(String? problem) onEnd;

  /// How long a stream may take to begin, and then be silent. The gateway says something every 20 s.
  Duration firstByte = const Duration(seconds: 10), silence = const Duration(seconds: 45);

  final String _base;
  _Run? _run;
  bool _begun = false, _over = false;
  String? _epoch; // of the state that is shown, with its version
  int _version = 0;

  /// Begins, or goes on: the screen is shown, the app is in the foreground again.
  void start() {
    if (_run != null || _over) return;
    final run = _run = _Run(this, look: _begun);
    _begun = true;
    unawaited(run.follow());
  }

  /// Lets the connection go. Nothing is called after this.
  void stop() {
    _run?.http?.close();
    _run = null;
  }

  bool _goesOn(_Run run) => identical(run, _run) && !_over;

  /// In one epoch versions only rise. Another epoch is believed when it comes as a snapshot.
  void _show(_Run from, String json, {required bool snapshot}) {
    final state = jsonDecode(json) as Map<String, dynamic>;
    final epoch = state['epoch'] as String, version = state['version'] as int;
    if (!_goesOn(from) || state['order'] != order) return;
    if (_epoch != null && (_epoch == epoch ? version <= _version : !snapshot)) return;
    _epoch = epoch;
    _version = version;
    _over = state['final'] == true;
    onState(state);
    if (_over) _end(from, null);
  }

  void _end(_Run from, String? problem) {
    if (!identical(from, _run)) return; // stopped
    _over = true;
    from.http?.close();
    onEnd(problem);
  }
}

/// From a start to a stop.
class _Run {
  _Run(this.watch, {required this.look});

  final PaybellOrder watch;
  final _clock = Stopwatch()..start();
  final _random = Random();
  bool look; // a question comes before the connection
  _Exchange? http;
  String? _token; // for the next connection; null: ask for one
  int _attempt = 0, _refused = 0; // failures, and 401s, in a row
  int _asked = 0; // ms to wait before the next connection, says the gateway
  bool _orderly = false; // the connection ended in good order: no backoff
  int _streamAgain = 0, _pollFor = 60000; // ms, when streams do not get through

  Future<void> follow() async {
    while (watch._goesOn(this)) {
      _asked = 0;
      _orderly = false;
      try {
        final token = _token ?? await watch.tokens();
        _token = null;
        if (!watch._goesOn(this)) return;
        if (look || _clock.elapsedMilliseconds < _streamAgain) {
          await _poll(token, look ? 0 : 25);
        } else {
          await _stream(token);
        }
      } catch (_) {
        _orderly = false; // lost
      } finally {
        http?.close();
      }
      look = false;
      var pause = _asked;
      if (!_orderly) pause += _random.nextInt(min(30000, 500 << min(_attempt++, 6)));
      await Future<void>.delayed(Duration(milliseconds: pause));
    }
  }

  Future<void> _stream(String token) async {
    final http = this.http = _Exchange(_url('sse?order='), token, watch.firstByte ~/ 2)..expect(watch.firstByte);
    final born = _clock.elapsedMilliseconds;
    var begun = false, event = '', data = '';
    await for (final item in http.heard) {
      if (item is _Answer) {
        if (!_admitted(item)) return;
        if (!item.type.startsWith('text/event-stream')) return _pollInstead();
      } else if (item is _Silence) {
        if (begun) throw const SocketException('silence');
        return _pollInstead(); // something on the way holds streams back
      } else if (item is _Renewed) {
        _token = item.token;
        _asked = 0;
        _orderly = true;
        return;
      } else if (item is String) {
        begun = true;
        _pollFor = 60000;
        http.expect(watch.silence);
        if (_clock.elapsedMilliseconds - born > 5000) _attempt = 0;
        if (item.isEmpty) {
          if (data.isNotEmpty && _take(event, data, http, token)) return;
          event = data = '';
          continue;
        }
        final colon = item.indexOf(':'); // 0: a comment, such as a heartbeat
        final field = colon < 0 ? item : item.substring(0, colon);
        var value = colon < 0 ? '' : item.substring(colon + 1);
        if (value.startsWith(' ')) value = value.substring(1);
        if (field == 'event') event = value;
        if (field == 'data') data += '$value\n';
        if (field == 'retry') _asked = _held(int.tryParse(value));
      }
    }
    throw const SocketException('the stream ended');
  }

  void _pollInstead() {
    _streamAgain = _clock.elapsedMilliseconds + _pollFor;
    _pollFor = min(_pollFor * 2, 32 * 60000);
    _orderly = true;
  }

  /// Takes one event, and says whether it was the last.
  bool _take(String event, String data, _Exchange http, String token) {
    switch (event) {
      case 'snapshot':
      case 'update':
        watch._show(this, data, snapshot: event == 'snapshot');
      case 'token_expiring': // another is fetched meanwhile, when half of the time that is left has passed
        final left = (jsonDecode(data) as Map<String, dynamic>)['expires_in'] as int? ?? 0;
        http.renew(Duration(milliseconds: left * 500), watch.tokens, token);
      case 'goodbye':
        _asked = _held((jsonDecode(data) as Map<String, dynamic>)['retry_ms'] as int?);
        _orderly = _asked > 0;
        return true;
    }
    return false;
  }

  Future<void> _poll(String token, int wait) async {
    final url = _url('orders/', wait > 0 ? '?wait=$wait' : '');
    final tag = watch._epoch == null ? null : '"${watch._epoch}.${watch._version}"';
    final http = this.http = _Exchange(url, token, watch.firstByte ~/ 2, tag: tag)..expect(watch.firstByte + Duration(seconds: wait));
    final born = _clock.elapsedMilliseconds;
    var body = '', pause = 0;
    await for (final item in http.heard) {
      if (item is _Silence) throw const SocketException('no answer');
      if (item is String) body += item;
      if (item is _Answer) {
        if (!_admitted(item)) return;
        pause = item.retryAfter;
      }
    }
    if (body.isNotEmpty) watch._show(this, body, snapshot: true);
    _token = token; // serves the next question too
    _attempt = 0;
    _orderly = true;
    _asked = wait == 0 ? 0 : max(pause, _clock.elapsedMilliseconds - born < 1000 ? 2000 : 0); // no tight loop
  }

  /// Says whether the gateway answers. A 403 that is not in its form of errors is that of a portal.
  bool _admitted(_Answer a) {
    final own = a.status >= 400 && a.status < 500 && a.status != 408 && a.status != 429 && a.type.contains('problem');
    final fatal = a.status == 401 ? _refused == 2 : own;
    _asked = a.retryAfter;
    _orderly = a.status == 401 && _refused == 0; // with a new token at once
    _refused = a.status == 401 ? _refused + 1 : 0;
    if (fatal) watch._end(this, 'HTTP ${a.status}${_words(a.problem)}');
    return a.status == 200 || a.status == 304;
  }

  /// What the gateway says of a refusal.
  static String _words(String problem) {
    try {
      final told = jsonDecode(problem) as Map<String, dynamic>;
      return [for (final field in ['title', 'detail']) if (told[field] is String) ': ${told[field]}'].join();
    } catch (_) {
      return ''; // not in its form
    }
  }

  Uri _url(String path, [String query = '']) => Uri.parse('${watch._base}/$path${Uri.encodeComponent(watch.order)}$query');

  static int _held(int? ms) => min(300000, max(0, ms ?? 0));
}

/// What is heard of one request, besides its lines.
class _Answer {
  const _Answer(this.status, this.type, this.retryAfter, this.problem);
  final int status, retryAfter; // retryAfter in ms
  final String type, problem; // problem: the whole body of a refusal in the gateway's form
}

class _Renewed {
  const _Renewed(this.token);
  final String token;
}

class _Silence {
  const _Silence();
}

/// One request, over a client of its own, so that closing it ends the connection at once.
class _Exchange {
  _Exchange(Uri url, String token, Duration connecting, {String? tag}) {
    _client.connectionTimeout = connecting;
    unawaited(_read(url, token, tag));
  }

  final _client = HttpClient();
  final _heard = StreamController<Object>();
  Timer? _patience, _renewal;

  /// An [_Answer], lines as strings, [_Renewed], [_Silence]; it ends with the body, or with an error.
  Stream<Object> get heard => _heard.stream;

  /// How long it may be silent from now on.
  void expect(Duration patience) {
    _patience?.cancel();
    _patience = Timer(patience, () => _say(const _Silence()));
  }

  void renew(Duration after, Future<String> Function() tokens, String old) {
    _renewal = Timer(after, () async {
      try {
        final token = await tokens();
        if (token != old) _say(_Renewed(token));
      } catch (_) {
        // the stream ends with the token, and the next connection asks again
      }
    });
  }

  void close() {
    _patience?.cancel();
    _renewal?.cancel();
    _client.close(force: true);
    unawaited(_heard.close());
  }

  void _say(Object item) {
    if (!_heard.isClosed) _heard.add(item);
  }

  /// Bytes become text when a line is whole: a character may be cut by the network.
  Future<void> _read(Uri url, String token, String? tag) async {
    try {
      final request = await _client.getUrl(url);
      request.followRedirects = false; // which could take the token elsewhere
      request.headers.set('Authorization', 'Bearer $token');
      request.headers.set('Accept-Encoding', 'identity'); // what compresses may hold back
      if (tag != null) request.headers.set('If-None-Match', tag);
      final response = await request.close();
      final after = int.tryParse(response.headers.value('Retry-After') ?? '');
      final type = response.headers.value('Content-Type') ?? '', refusal = type.contains('problem');
      final problem = refusal ? await utf8.decodeStream(response) : '';
      _say(_Answer(response.statusCode, type, _Run._held((after ?? 0) * 1000), problem));
      if (refusal) return close();
      final line = BytesBuilder();
      var last = 0;
      await for (final chunk in response) {
        for (final byte in chunk) {
          final second = byte == 10 && last == 13; // the line ended with the CR
          last = byte;
          if (second) continue;
          if (byte != 10 && byte != 13) {
            line.addByte(byte);
          } else {
            _say(utf8.decode(line.takeBytes(), allowMalformed: true));
          }
        }
      }
      if (line.isNotEmpty) _say(utf8.decode(line.takeBytes(), allowMalformed: true));
    } catch (error) {
      if (!_heard.isClosed) _heard.addError(error);
    }
    if (!_heard.isClosed) unawaited(_heard.close());
  }
}
