// A Web Connector in C#, on a proxy that Mono's wsdl tool made: what it is told goes to standard output, a
// line a call; for what QuickBooks says to a document it asks there too, and reads the answer from standard
// input. Texts are in base64, "null" where there is none. Arguments: URL, user, password, company file.

using System;
using System.Text;

public static class Session
{
    const string Agent = "Mozilla/4.0 (compatible; MSIE 6.0; MS Web Services Client Protocol 4.0.30319.42000)";

    static QBWebConnectorSvc service;

    static string Encoded(string text)
    {
        return text == null ? "null" : "=" + Convert.ToBase64String(Encoding.UTF8.GetBytes(text));
    }

    static string Decoded(string word)
    {
        return Encoding.UTF8.GetString(Convert.FromBase64String(word.Substring(1)));
    }

    static string Told(string call, params string[] texts)
    {
        Console.WriteLine(call + " " + string.Join(" ", Array.ConvertAll(texts, Encoded)));
        return texts[0];
    }

    static int Told(string call, int number)
    {
        Console.WriteLine(call + " " + number);
        return number;
    }

    static string Authenticate(string user, string password)
    {
        string[] strings = service.authenticate(user, password);
        return Told("authenticate", strings);
    }

    static void Work(string ticket, string file)
    {
        string hcp = Ask("hcp", "");
        for (int percent = 0; percent < 100; hcp = "")
        {
            string request = service.sendRequestXML(ticket, hcp, file, "US", 13, 0);
            if (string.IsNullOrEmpty(Told("sendRequestXML", request)))
                return;
            percent = Told("receiveResponseXML", service.receiveResponseXML(ticket, Ask("process", request), "", ""));
            if (percent < 0)
                return;
        }
    }

    static string Ask(string what, string text)
    {
        Console.WriteLine("ask " + what + " " + Encoded(text));
        return Decoded(Console.ReadLine());
    }

    public static int Main(string[] given)
    {
        service = new QBWebConnectorSvc();
        service.Url = given[0];
        service.UserAgent = Agent;
        Told("serverVersion", service.serverVersion("2.3.0.215"));
        Told("clientVersion", service.clientVersion("2.3.0.215"));
        Authenticate(given[1], "another password");

        // A session in which a stranger's ticket turns up, and an answer with what XML cannot hold.
        string ticket = Authenticate(given[1], given[2]);
        Told("receiveResponseXML", service.receiveResponseXML("stranger", "<QBXML>\u0001 \ud83d\ude00</QBXML>", null, null));
        Work(ticket, given[3]);
        Told("sendRequestXML", service.sendRequestXML(ticket, "", given[3], "US", 13, 0));
        Told("getLastError", service.getLastError(ticket));
        Told("closeConnection", service.closeConnection(ticket));

        // One in which QuickBooks cannot be opened.
        Ask("queue", "");
        ticket = Authenticate(given[1], given[2]);
        Told("connectionError", service.connectionError(ticket, "0x80040408", "Could not start QuickBooks."));
        Told("connectionError", service.connectionError(ticket, "0x80040408", "Could not start QuickBooks."));
        Told("getLastError", service.getLastError(ticket));
        Told("closeConnection", service.closeConnection(ticket));

        // And one that does what is left.
        ticket = Authenticate(given[1], given[2]);
        Work(ticket, given[3]);
        Told("closeConnection", service.closeConnection(ticket));
        Authenticate(given[1], given[2]);
        return 0;
    }
}
