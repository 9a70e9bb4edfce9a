package io.github.paybell; // or your own

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.HttpURLConnection;
import java.net.URL;
import java.net.URLEncoder;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Executor;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.json.JSONException;
import org.json.JSONObject;

/** Follows one order until it is final. */
public final class PaybellOrder {
    /** Asks your backend for a token, anew for each connection. It is called on a background thread and may
     *  take its time, but should give up by itself after some seconds. */
    public interface Tokens {
        String fetch() throws Exception;
    }

    /** How long a stream may take to begin, and then be silent, in ms. The gateway says something every 20 s. */
    public int firstByte = 10_000, silence = 45_000;

    private static final Object END = new Object();

    private final String base, order, id;
    private final Tokens tokens;
    private final Executor callbacks;
    private final Consumer<JSONObject> onState;
    private final Consumer<String> onEnd;

    private Run run; // guarded by this, as all below; null: stopped
    private boolean begun, over;
    private String epoch; // of the state that is shown, with its version; null: none yet
    private long version;

    /** onState gets each newer state; onEnd gets null once the order is final, or else what no retry can
     *  cure, such as "HTTP 403: " and the gateway's words. Both are called one at a time by callbacks: new Handler(Looper.getMainLooper())::post. */
    public PaybellOrder(String gateway, String order, Tokens tokens, Executor callbacks,
            Consumer<JSONObject> onState, Consumer<String> onEnd) throws IOException {
        if (!gateway.matches("https?://[^/?#\\s]+[^?#\\s]*") || order.isEmpty()) {
            throw new IllegalArgumentException("no address of a gateway, or no order");
        }
        this.base = gateway.replaceAll("/+$", "") + "/v1/";
        this.order = order;
        this.id = URLEncoder.encode(order, "UTF-8");
        this.tokens = tokens;
        this.callbacks = callbacks;
        this.onState = onState;
        this.onEnd = onEnd;
    }

    /** Begins, or goes on: the screen is shown, the app is in the foreground again, the network is back. */
    public synchronized void start() {
        if (run != null || over) return;
        run = new Run(begun);
        begun = true;
        run.start();
    }

    /** Lets the connection go. Called by the executor of the callbacks, it is the last of them. */
    public synchronized void stop() {
        if (run != null) run.interrupt();
        run = null;
    }

    private synchronized boolean goesOn(Run one) {
        return run == one && !over;
    }

    private synchronized String tag() {
        return epoch == null ? "" : '"' + epoch + '.' + version + '"';
    }

    private void show(Run from, String json, boolean snapshot) throws JSONException {
        JSONObject state = new JSONObject(json);
        String epoch = state.getString("epoch");
        long version = state.getLong("version");
        boolean last = state.optBoolean("final");
        if (!order.equals(state.getString("order"))) return;
        callbacks.execute(() -> {
            synchronized (this) { // here and not before, so that what a stop keeps from being shown stays news
                boolean known = this.epoch != null && (this.epoch.equals(epoch) ? version <= this.version : !snapshot);
                if (known || !goesOn(from)) return;
                this.epoch = epoch;
                this.version = version;
                over = last;
            }
            onState.accept(state);
            if (last) end(from, null);
        });
    }

    private void end(Run from, String problem) {
        synchronized (this) {
            if (run != from) return; // stopped
            over = true;
            from.interrupt();
        }
        onEnd.accept(problem);
    }

    private static long now() {
        return TimeUnit.NANOSECONDS.toMillis(System.nanoTime());
    }

    /** The thread from a start to a stop. */
    private final class Run extends Thread {
        private boolean look; // a question comes before the connection
        private volatile String token; // for the next connection; null: fetch one
        private int attempt, refused; // failures, and 401s, in a row
        private long asked; // to wait before the next connection, says the gateway
        private boolean orderly; // the connection ended in good order: no backoff
        private long streamAgain = now(), pollFor = 60_000; // when streams do not get through

        Run(boolean look) {
            super("paybell");
            this.look = look;
            setDaemon(true);
        }

        @Override
        public void run() {
            try {
                while (goesOn(this)) {
                    asked = 0;
                    orderly = false;
                    try {
                        String with = token != null ? token : tokens.fetch();
                        token = null;
                        if (look || now() < streamAgain) poll(with, look ? 0 : 25);
                        else stream(with);
                    } catch (InterruptedException e) {
                        throw e;
                    } catch (Exception e) {
                        orderly = false; // lost
                    }
                    look = false;
                    long span = orderly ? 1 : Math.min(30_000, 500L << Math.min(attempt++, 6));
                    sleep(asked + ThreadLocalRandom.current().nextLong(span));
                }
            } catch (InterruptedException e) {
                // over, or stopped
            }
        }

        private void stream(String with) throws IOException, JSONException, InterruptedException {
            try (Exchange http = new Exchange("sse?order=" + id, with, "")) {
                long born = now(), deadline = born + firstByte;
                boolean heard = false;
                String event = "", data = "";
                while (goesOn(this)) {
                    Object item = http.next(deadline);
                    if (item instanceof Integer) {
                        if (!admitted(http, (Integer) item)) return;
                        if (http.type.startsWith("text/event-stream")) continue;
                        item = null;
                    }
                    if (http.ended || item == null && heard) throw new IOException("the end, or silence");
                    if (item == null) { // something on the way holds streams back
                        streamAgain = now() + pollFor;
                        pollFor = Math.min(pollFor * 2, 32 * 60_000);
                        orderly = true;
                        return;
                    }
                    heard = true;
                    deadline = now() + silence;
                    pollFor = 60_000;
                    if (now() - born > 5000) attempt = 0;
                    if (token != null) { // a renewed one
                        asked = 0;
                        orderly = true;
                        return;
                    }
                    String line = (String) item, value = line.replaceFirst("^[^:]*: ?", "");
                    if (line.startsWith("event:")) event = value;
                    if (line.startsWith("data:")) data += value + "\n";
                    if (line.matches("retry: ?\\d{1,6}")) asked = Long.parseLong(value);
                    if (!line.isEmpty()) continue; // anything else, such as a heartbeat, says nothing
                    if (data.isEmpty()) event = "";
                    if (event.equals("snapshot") || event.equals("update")) show(this, data, event.equals("snapshot"));
                    if (event.equals("token_expiring")) renew(http, with, new JSONObject(data).getLong("expires_in"));
                    if (event.equals("goodbye")) {
                        asked = Math.min(300_000, Math.max(0, new JSONObject(data).optLong("retry_ms")));
                        orderly = asked > 0;
                        return;
                    }
                    event = data = "";
                }
            }
        }

        /** Fetches another token while the stream goes on, when half of the time that is left has passed. */
        private void renew(Exchange http, String old, long seconds) {
            daemon("paybell-token", () -> {
                try {
                    sleep(seconds * 500);
                    String renewed = tokens.fetch();
                    if (http.closed || renewed.equals(old)) return;
                    token = renewed;
                    http.heard.add(":");
                } catch (Exception e) {
                    // the stream ends with the token, and the next connection asks again
                }
            });
        }

        private void poll(String with, int wait) throws IOException, JSONException, InterruptedException {
            try (Exchange http = new Exchange("orders/" + id + (wait > 0 ? "?wait=" + wait : ""), with, tag())) {
                long born = now();
                StringBuilder body = new StringBuilder();
                for (Object item = ""; item != null; item = http.next(born + firstByte + wait * 1000)) {
                    if (item instanceof Integer && !admitted(http, (Integer) item)) return;
                    if (item instanceof String) body.append(item);
                }
                if (!http.ended) throw new IOException("no answer");
                if (body.length() > 0) show(this, body.toString(), true);
                token = with; // serves the next question too
                attempt = 0;
                orderly = true;
                asked = wait == 0 ? 0 : Math.max(http.retryAfter, now() - born < 1000 ? 2000 : 0); // no tight loop
            }
        }

        /** Says whether the gateway answers. A 403 that is not in its form of errors is that of a portal. */
        private boolean admitted(Exchange http, int status) throws IOException, InterruptedException {
            boolean own = status >= 400 && status < 500 && status != 408 && status != 429 && http.type.contains("problem");
            asked = http.retryAfter;
            orderly = status == 401 && refused == 0; // with a new token at once
            refused = status == 401 ? refused + 1 : 0;
            if (status == 401 ? refused > 2 : own) {
                String problem = "HTTP " + status + words(http);
                callbacks.execute(() -> end(this, problem));
                throw new InterruptedException();
            }
            return status == 200 || status == 304;
        }

        /** What the gateway says of a refusal: title and detail of its problem. */
        private String words(Exchange http) throws IOException, InterruptedException {
            StringBuilder body = new StringBuilder();
            long deadline = now() + firstByte;
            for (Object item = ""; item != null; item = http.next(deadline)) body.append(item);
            try {
                JSONObject problem = new JSONObject(body.toString());
                return ": " + problem.getString("title") + (problem.has("detail") ? ": " + problem.getString("detail") : "");
            } catch (JSONException e) {
                return ""; // not in its form
            }
        }
    }

    /** One request. Its own thread reads the answer, because the JDK lets no other end a read. */
    private final class Exchange implements AutoCloseable {
        final BlockingQueue<Object> heard = new LinkedBlockingQueue<>(); // the status, lines, END or an exception
        private final HttpURLConnection http;
        boolean ended;
        volatile boolean closed;
        String type = "";
        long retryAfter; // ms

        Exchange(String path, String token, String tag) throws IOException {
            http = (HttpURLConnection) new URL(base + path).openConnection();
            http.setConnectTimeout(firstByte / 2);
            http.setReadTimeout(2 * silence); // so that what nobody waits for ends
            http.setInstanceFollowRedirects(false); // which could take the token elsewhere
            http.setUseCaches(false);
            http.setRequestProperty("Authorization", "Bearer " + token);
            http.setRequestProperty("Accept-Encoding", "identity"); // what compresses may hold back
            if (!tag.isEmpty()) http.setRequestProperty("If-None-Match", tag);
            daemon("paybell-reader", this::read);
        }

        private void read() {
            try {
                int status = http.getResponseCode();
                type = "" + http.getContentType();
                String after = "" + http.getHeaderField("Retry-After");
                if (after.matches("\\d{1,6}")) retryAfter = Math.min(300_000, Long.parseLong(after) * 1000);
                heard.add(status);
                InputStream body = status == 200 ? http.getInputStream() : type.contains("problem") ? http.getErrorStream() : null;
                if (body != null) lines(body);
                heard.add(END);
            } catch (IOException e) {
                heard.add(e);
            }
        }

        /** Bytes become text when a line is whole: a character may be cut by the network. */
        private void lines(InputStream body) throws IOException {
            ByteArrayOutputStream line = new ByteArrayOutputStream();
            for (int b, last = 0; (b = body.read()) >= 0 && !closed; last = b) {
                if (b == '\n' && last == '\r') continue; // the line ended with the CR
                if (b != '\n' && b != '\r') line.write(b);
                else heard.add(line.toString("UTF-8"));
                if (b == '\n' || b == '\r') line.reset();
            }
            if (line.size() > 0) heard.add(line.toString("UTF-8"));
        }

        /** The next that is heard; null at the deadline or the end. */
        Object next(long deadline) throws IOException, InterruptedException {
            Object item = heard.poll(deadline - now(), TimeUnit.MILLISECONDS);
            ended = item == END;
            if (item instanceof IOException) throw (IOException) item;
            return ended ? null : item;
        }

        @Override
        public void close() {
            closed = true;
            daemon("paybell-close", http::disconnect); // which waits for a read
        }
    }

    private static void daemon(String name, Runnable task) {
        Thread thread = new Thread(task, name);
        thread.setDaemon(true);
        thread.start();
    }
}
